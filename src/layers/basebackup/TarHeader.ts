/**
 * The header block of a tar entry, in the forms that GNU tar and POSIX define.
 *
 * Source: https://www.gnu.org/software/tar/manual/html_node/Standard.html
 */
export const BLOCK = 512

export interface TarHeader {
  readonly name: string
  /** `0` file, `5` directory, `1` hard link, `2` symbolic link, `L` name of the next entry, `x` attributes of the next entry, ... */
  readonly type: string
  readonly mode: number
  readonly size: number
  /** Epoch seconds. */
  readonly mtime: number
  /** What a link points at; empty for everything else. */
  readonly link: string
}

const ZEROS = Buffer.alloc(BLOCK)

export const isEndMarker = (block: Buffer): boolean => block.equals(ZEROS)

const text = (block: Buffer, from: number, to: number): string => {
  const end = block.indexOf(0, from)
  return block.toString("utf8", from, end < 0 || end > to ? to : end)
}

/** Octal digits, or, with the first bit set, a big-endian number. Undefined when it is neither, or too large. */
const number = (block: Buffer, from: number, to: number): number | undefined => {
  const first = block[from] ?? 0
  if (first < 0x80) {
    const digits = text(block, from, to).trim()
    return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || "0", 8) : undefined
  }
  let value = first & 0x7f
  for (let at = from + 1; at < to; at++) value = value * 256 + (block[at] ?? 0)
  return Number.isSafeInteger(value) ? value : undefined
}

const CHECKSUM = { from: 148, to: 156 }

/** The sum of all bytes, its own field counted as blanks; some writers summed signed bytes. */
const hasItsChecksum = (block: Buffer): boolean => {
  const told = number(block, CHECKSUM.from, CHECKSUM.to)
  let unsigned = 0
  let signed = 0
  for (let at = 0; at < BLOCK; at++) {
    const byte = at >= CHECKSUM.from && at < CHECKSUM.to ? 0x20 : (block[at] ?? 0)
    unsigned += byte
    signed += byte < 0x80 ? byte : byte - 0x100
  }
  return told === unsigned || told === signed
}

/** Undefined when the block is not a header. */
export const parseHeader = (block: Buffer): TarHeader | undefined => {
  if (!hasItsChecksum(block)) return undefined
  const mode = number(block, 100, 108)
  const size = number(block, 124, 136)
  const mtime = number(block, 136, 148)
  if (mode === undefined || size === undefined || mtime === undefined) return undefined
  const flag = text(block, 156, 157)
  const name = text(block, 0, 100)
  const prefix = block.toString("latin1", 257, 263) === "ustar\0" ? text(block, 345, 500) : ""
  const isFile = flag === "" || flag === "0" || flag === "7"
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    // Before there were types, a directory was a name with a slash at its end.
    type: isFile ? (name.endsWith("/") ? "5" : "0") : flag,
    mode,
    size,
    mtime,
    link: text(block, 157, 257)
  }
}

/** Records `LENGTH key=value\n`, LENGTH counting itself. Undefined when they are not that. */
export const parseAttributes = (body: Buffer): ReadonlyMap<string, string> | undefined => {
  const attributes = new Map<string, string>()
  let at = 0
  while (at < body.length) {
    const blank = body.indexOf(0x20, at)
    const length = Number(body.toString("latin1", at, Math.max(blank, at)))
    const equals = body.indexOf(0x3d, blank)
    const end = at + length - 1
    if (blank < 0 || !Number.isInteger(length) || equals < 0 || equals > end || body[end] !== 0x0a) return undefined
    attributes.set(body.toString("utf8", blank + 1, equals), body.toString("utf8", equals + 1, end))
    at = end + 1
  }
  return attributes
}
