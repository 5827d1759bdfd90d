/**
 * Frames of the Postgres protocol, version 3: a type byte, a big-endian length that counts itself, a body.
 * Written by hand because the drivers' codec fixes the order of the startup parameters, which peers see.
 *
 * Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import * as Data from "effect/Data"

export interface Frame {
  /** The type byte as a character: `R`, `Z`, `d`, ... */
  readonly type: string
  readonly body: Buffer
}

/** Bytes of a piece of a copy; the peers send at most a few hundred KiB. */
const LONGEST_DATA = 16 * 1024 * 1024
/** Bytes of any other message. */
const LONGEST = 1024 * 1024
/** `d`, CopyData. */
const DATA = 0x64

/** The peer does not speak the protocol. */
export class NotAFrame extends Data.TaggedError("NotAFrame")<{ readonly message: string }> {}

/** Cuts a byte stream into frames. Bodies are views into the chunks where a frame does not span two of them. */
export class FrameReader {
  #parts: Array<Buffer> = []
  #held = 0
  #needed = 5

  /** Bytes of a frame that is not whole yet. */
  get pending(): number {
    return this.#held
  }

  /** Every frame completed by these bytes; what follows an invalid one is not read. */
  push(bytes: Buffer): { readonly frames: ReadonlyArray<Frame>; readonly fault: NotAFrame | null } {
    const frames: Array<Frame> = []
    this.#parts.push(bytes)
    this.#held += bytes.length
    if (this.#held < this.#needed) return { frames, fault: null }
    const buffer = this.#parts.length === 1 ? bytes : Buffer.concat(this.#parts, this.#held)
    let at = 0
    this.#needed = 5
    while (buffer.length - at >= 5) {
      const length = buffer.readUInt32BE(at + 1)
      if (length < 4 || length > (buffer[at] === DATA ? LONGEST_DATA : LONGEST)) {
        return { frames, fault: new NotAFrame({ message: `invalid message length: ${length}` }) }
      }
      if (buffer.length - at < length + 1) {
        this.#needed = length + 1
        break
      }
      frames.push({ type: String.fromCharCode(buffer[at] ?? 0), body: buffer.subarray(at + 5, at + 1 + length) })
      at += length + 1
    }
    this.#held = buffer.length - at
    this.#parts = this.#held === 0 ? [] : [buffer.subarray(at)]
    return { frames, fault: null }
  }
}

const cstring = (text: string): Buffer => Buffer.from(`${text}\0`)

const withLength = (...parts: ReadonlyArray<Buffer>): Buffer => {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(parts.reduce((sum, part) => sum + part.length, 4))
  return Buffer.concat([head, ...parts])
}

/** Protocol 3.0 and the parameters, in the order given. */
export const startup = (parameters: ReadonlyArray<readonly [string, string]>): Buffer =>
  withLength(
    Buffer.from([0, 3, 0, 0]),
    ...parameters.flatMap(([name, value]) => [cstring(name), cstring(value)]),
    Buffer.from([0])
  )

export const sslRequest: Buffer = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

const message = (type: string, body: Buffer): Buffer => Buffer.concat([Buffer.from(type), withLength(body)])

export const password = (text: string): Buffer => message("p", cstring(text))

export const query = (text: string): Buffer => message("Q", cstring(text))

export const terminate: Buffer = Buffer.from([0x58, 0, 0, 0, 4])

/** Fields of an error or a notice by their type letter. */
export const errorFields = (body: Buffer): ReadonlyMap<string, string> =>
  new Map(
    body
      .toString("utf8")
      .split("\0")
      .filter((field) => field !== "")
      .map((field) => [field.slice(0, 1), field.slice(1)])
  )

/** The values of a data row; null for SQL NULL. Undefined when the body is not a row. */
export const dataRow = (body: Buffer): ReadonlyArray<string | null> | undefined => {
  if (body.length < 2) return undefined
  const values: Array<string | null> = []
  let at = 2
  for (let left = body.readUInt16BE(0); left > 0; left--) {
    if (at + 4 > body.length) return undefined
    const length = body.readInt32BE(at)
    at += 4
    if (length < 0) {
      values.push(null)
    } else {
      if (at + length > body.length) return undefined
      values.push(body.toString("utf8", at, at + length))
      at += length
    }
  }
  return values
}
