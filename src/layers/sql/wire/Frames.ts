/**
 * Frames of the Postgres protocol, version 3: a type byte, a big-endian length that counts itself, a body.
 * Written by hand because the codec of `@effect/sql-pg` ends a session at the first text that is no UTF-8, has no message of
 * several statements, and speaks the binary format alone.
 *
 * Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import * as Data from "effect/Data"

export interface Frame {
  /** The type byte as a character: `R`, `Z`, `d`, ... */
  readonly type: string
  readonly body: Buffer
}

/** Bytes a message may have. */
export interface Longest {
  /** Of a piece of a copy. */
  readonly data: number
  readonly other: number
}

const MIB = 1024 * 1024
/** The peers send at most a few hundred KiB of a copy at once. */
const storageLimits: Longest = { data: 16 * MIB, other: MIB }
/** A row has the statistics of an extension's longest query in it, or the state of a cache. */
export const postgresLimits: Longest = { data: 64 * MIB, other: 64 * MIB }

/** `d`, CopyData. */
const DATA = 0x64

/** The peer does not speak the protocol. */
export class NotAFrame extends Data.TaggedError("NotAFrame")<{ readonly message: string }> {}

/** Cuts a byte stream into frames. Bodies are views into the chunks where a frame does not span two of them. */
export class FrameReader {
  #parts: Array<Buffer> = []
  #held = 0
  #needed = 5
  readonly #longest: Longest

  constructor(longest: Longest = storageLimits) {
    this.#longest = longest
  }

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
      const most = buffer[at] === DATA ? this.#longest.data : this.#longest.other
      if (length < 4 || length > most) {
        const limit = length < 4 ? "" : `, the limit is ${most}`
        return { frames, fault: new NotAFrame({ message: `invalid message length: ${length}${limit}` }) }
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

const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const withLength = (...parts: ReadonlyArray<Buffer>): Buffer => {
  const length = parts.reduce((sum, part) => sum + part.length, 4)
  return Buffer.concat([int32(length), ...parts])
}

/** Protocol 3.0 and the parameters, in the order given. */
export const startup = (parameters: ReadonlyArray<readonly [string, string]>): Buffer =>
  withLength(
    Buffer.from([0, 3, 0, 0]),
    ...parameters.flatMap(([name, value]) => [cstring(name), cstring(value)]),
    Buffer.from([0])
  )

/** A server's name for a session, by which a statement of it can be cancelled. */
export interface BackendKey {
  readonly pid: number
  readonly secret: Buffer
}

export const backendKey = (body: Buffer): BackendKey | null =>
  body.length < 8 ? null : { pid: body.readInt32BE(0), secret: Buffer.from(body.subarray(4)) }

export const cancelRequest = ({ pid, secret }: BackendKey): Buffer => withLength(int32(80877102), int32(pid), secret)

export const sslRequest: Buffer = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

const message = (type: string, ...body: ReadonlyArray<Buffer>): Buffer =>
  Buffer.concat([Buffer.from(type), withLength(...body)])

export const password = (text: string): Buffer => message("p", cstring(text))

export const saslInitial = (mechanism: string, response: Uint8Array): Buffer =>
  message("p", cstring(mechanism), int32(response.length), Buffer.from(response))

export const saslResponse = (response: Uint8Array): Buffer => message("p", Buffer.from(response))

/** Bytes are sent as they are, text as what the server takes it for; null is SQL NULL. */
export type Parameter = string | Uint8Array | null

const parameter = (value: Parameter): ReadonlyArray<Buffer> => {
  if (value === null) return [int32(-1)]
  const bytes = Buffer.from(value)
  return [int32(bytes.length), bytes]
}

const nothing = cstring("")

/** One statement with parameters, and the question what its columns are, in one piece. Its answer ends as a query's does. */
export const statement = (text: string, parameters: ReadonlyArray<Parameter>): Buffer => {
  const formats = parameters.map((value) => int16(value instanceof Uint8Array ? 1 : 0))
  return Buffer.concat([
    message("P", nothing, cstring(text), int16(0)),
    message(
      "B",
      nothing,
      nothing,
      int16(formats.length),
      ...formats,
      int16(parameters.length),
      ...parameters.flatMap(parameter),
      int16(0)
    ),
    message("D", Buffer.from("P"), nothing),
    message("E", nothing, int32(0)),
    message("S")
  ])
}

/** The same for a server that describes nothing. */
export const execution = (text: string): Buffer =>
  Buffer.concat([
    message("P", nothing, cstring(text), int16(0)),
    message("B", nothing, nothing, int16(0), int16(0), int16(0)),
    message("E", nothing, int32(0)),
    message("S")
  ])

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

export interface Column {
  readonly name: string
  /** The type's OID. */
  readonly type: number
}

/** Undefined when the body describes no row. */
export const rowDescription = (body: Buffer): ReadonlyArray<Column> | undefined => {
  if (body.length < 2) return undefined
  const columns: Array<Column> = []
  let at = 2
  for (let left = body.readUInt16BE(0); left > 0; left--) {
    const end = body.indexOf(0, at)
    if (end < 0 || end + 19 > body.length) return undefined
    columns.push({ name: body.toString("utf8", at, end), type: body.readUInt32BE(end + 7) })
    at = end + 19
  }
  return columns
}

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
