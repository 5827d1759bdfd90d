/**
 * The header block of a tar entry, in the forms that GNU tar and POSIX define.
 *
 * Source: https://www.gnu.org/software/tar/manual/html_node/Standard.html,
 * https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
 */
export const BLOCK = 512

export interface TarHeader {
  readonly name: string
  /** `0` file, `5` directory, `1` hard link, `2` symbolic link, `L` name of the next entry, `x` attributes of the next entry, ... */
  readonly type: string
  readonly mode: number
  /** Bytes of the body, before its padding. */
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

/**
 * Octal digits, or, with the first bit set, a big-endian number in two's complement. Undefined when it is neither, or not
 * a safe integer.
 */
const number = (block: Buffer, from: number, to: number): number | undefined => {
  const first = block[from] ?? 0
  if (first < 0x80) {
    const digits = text(block, from, to).trim()
    return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || "0", 8) : undefined
  }
  // The first bit is the mark, the second one the sign.
  let value = (first & 0x40) === 0 ? first & 0x3f : (first & 0x3f) - 0x40
  for (let at = from + 1; at < to; at++) value = value * 256 + (block[at] ?? 0)
  return Number.isSafeInteger(value) ? value : undefined
}

const natural = (block: Buffer, from: number, to: number): number | undefined => {
  const value = number(block, from, to)
  return value !== undefined && value >= 0 ? value : undefined
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

/** The end of the year 9999, epoch seconds. */
const LATEST = 253_402_300_799

/** Undefined when the block is not a header, or has a number that none can have. */
export const parseHeader = (block: Buffer): TarHeader | undefined => {
  if (!hasItsChecksum(block)) return undefined
  const mode = natural(block, 100, 108)
  const size = natural(block, 124, 136)
  const mtime = number(block, 136, 148)
  if (mode === undefined || size === undefined || mtime === undefined) return undefined
  const flag = text(block, 156, 157)
  const name = text(block, 0, 100)
  const prefix = block.toString("latin1", 257, 263) === "ustar\0" ? text(block, 345, 500) : ""
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    type: flag === "" || flag === "7" ? "0" : flag,
    mode,
    size,
    // A time before 1970 is one, but means nothing here.
    mtime: Math.min(Math.max(mtime, 0), LATEST),
    link: text(block, 157, 257)
  }
}

const LENGTH = /^[1-9]\d{0,9}$/

/** Records `LENGTH key=value\n`, LENGTH counting itself. Undefined when they are not that. */
export const parseAttributes = (body: Buffer): ReadonlyMap<string, string> | undefined => {
  const attributes = new Map<string, string>()
  let at = 0
  while (at < body.length) {
    const blank = body.indexOf(0x20, at)
    const digits = body.toString("latin1", at, Math.min(Math.max(blank, at), at + 11))
    if (blank < 0 || !LENGTH.test(digits)) return undefined
    const end = at + Number(digits) - 1
    const equals = body.indexOf(0x3d, blank)
    if (equals <= blank + 1 || equals >= end || end >= body.length || body[end] !== 0x0a) return undefined
    attributes.set(body.toString("utf8", blank + 1, equals), body.toString("utf8", equals + 1, end))
    at = end + 1
  }
  return attributes
}

const SIZE = /^(?:0|[1-9]\d{0,15})$/

/** The text of a `size` attribute as bytes; undefined when it is not a size. */
export const parseSize = (digits: string): number | undefined =>
  SIZE.test(digits) && Number.isSafeInteger(Number(digits)) ? Number(digits) : undefined
