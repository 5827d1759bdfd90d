/**
 * The header of a zstd frame, which says how much memory its decoder needs.
 *
 * Source: RFC 8878, section 3.1.1.
 */

/** Bytes after which every header can be read. */
export const HEADER = 18

/** Exponent of the largest window that decoders take by default: 128 MiB. */
export const LARGEST_WINDOW_LOG = 27
/** Exponent of the window that every decoder should take, and that encoders should not exceed unasked: 8 MiB. */
export const COMMON_WINDOW_LOG = 23

const MAGIC = 0xfd2fb528

/** The number at `from`, little-endian; at most what a double holds. */
const unsigned = (bytes: Uint8Array, from: number, length: number): number => {
  let value = 0
  for (let at = from + length - 1; at >= from; at--) value = value * 256 + (bytes[at] ?? 0)
  return value
}

/** Bytes of the window; null when the text does not begin with a frame, or ends within its header. */
export const windowOf = (bytes: Uint8Array): number | null => {
  if (bytes.length < 6 || unsigned(bytes, 0, 4) !== MAGIC) return null
  const descriptor = bytes[4] ?? 0
  const single = (descriptor & 0x20) !== 0
  if (!single) {
    const window = bytes[5] ?? 0
    const base = 2 ** (10 + (window >> 3))
    return base + (base / 8) * (window & 7)
  }
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0
  const length = [1, 2, 4, 8][descriptor >> 6] ?? 1
  if (bytes.length < 5 + dictionary + length) return null
  return unsigned(bytes, 5 + dictionary, length) + (length === 2 ? 256 : 0)
}

/** Exponent of the smallest power of two that holds the window. */
export const windowLog = (window: number): number => Math.max(10, Math.ceil(Math.log2(Math.max(window, 1))))
