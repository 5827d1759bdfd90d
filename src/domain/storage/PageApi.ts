/**
 * The pageserver's gRPC interface: paths, metadata, messages and framing. Client and emulator share it.
 * Only what a compute calls is here: GetBaseBackup and LeaseLsn.
 *
 * Source: `pageserver/page_api/proto/page_service.proto`, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
import * as Result from "effect/Result"
import * as Lsn from "../spec/Lsn.ts"
import * as Protobuf from "./Protobuf.ts"

export const path = {
  getBaseBackup: "/page_api.PageService/GetBaseBackup",
  leaseLsn: "/page_api.PageService/LeaseLsn"
} as const

/** Metadata of every call. The shard is a shard index: `0000` when unsharded. */
export const metadata = {
  tenant: "neon-tenant-id",
  timeline: "neon-timeline-id",
  shard: "neon-shard-id",
  authorization: "authorization"
} as const

export type StatusName = keyof typeof status

/** gRPC status codes by name. */
export const status = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16
} as const

const statusNames = new Map(Object.entries(status).map(([name, code]) => [code as number, name]))

export const statusName = (code: number): string => statusNames.get(code) ?? `CODE_${code}`

const compressions = ["unknown", "none", "gzip"] as const
export type Compression = (typeof compressions)[number]

export interface GetBaseBackupRequest {
  /** `0/0` asks for the latest. */
  readonly lsn: Lsn.Lsn
  readonly replica: boolean
  readonly full: boolean
  /** Servers refuse `unknown`. */
  readonly compression: Compression
}

export const encodeGetBaseBackupRequest = (request: GetBaseBackupRequest): Uint8Array =>
  Protobuf.concat([
    Protobuf.varintField(1, request.lsn),
    Protobuf.boolField(2, request.replica),
    Protobuf.boolField(3, request.full),
    Protobuf.varintField(4, BigInt(compressions.indexOf(request.compression)))
  ])

export const decodeGetBaseBackupRequest = (message: Uint8Array): Result.Result<GetBaseBackupRequest, string> =>
  Result.map(Protobuf.fields(message), (all) => ({
    lsn: Lsn.fromBigInt(Protobuf.varintOf(all, 1)),
    replica: Protobuf.varintOf(all, 2) !== 0n,
    full: Protobuf.varintOf(all, 3) !== 0n,
    compression: compressions[Number(Protobuf.varintOf(all, 4))] ?? "unknown"
  }))

/** One piece of the archive, up to 256 KiB. */
export const encodeBaseBackupChunk = (chunk: Uint8Array): Uint8Array => Protobuf.bytesField(1, chunk)

/** The piece as a view into the message. */
export const decodeBaseBackupChunk = (message: Uint8Array): Result.Result<Uint8Array, string> =>
  Result.map(Protobuf.fields(message), (all) => Protobuf.bytesOf(all, 1) ?? new Uint8Array(0))

export const encodeLeaseLsnRequest = (lsn: Lsn.Lsn): Uint8Array => Protobuf.varintField(1, lsn)

export const decodeLeaseLsnRequest = (message: Uint8Array): Result.Result<Lsn.Lsn, string> =>
  Result.map(Protobuf.fields(message), (all) => Lsn.fromBigInt(Protobuf.varintOf(all, 1)))

/** `expires`: epoch milliseconds. */
export const encodeLeaseLsnResponse = (expires: number): Uint8Array => {
  const seconds = Math.floor(expires / 1000)
  return Protobuf.bytesField(
    1,
    Protobuf.concat([
      Protobuf.varintField(1, BigInt(seconds)),
      Protobuf.varintField(2, BigInt(Math.round((expires - seconds * 1000) * 1e6)))
    ])
  )
}

/** Epoch milliseconds, rounded down. */
export const decodeLeaseLsnResponse = (message: Uint8Array): Result.Result<number, string> =>
  Result.flatMap(Protobuf.fields(message), (all) => {
    const expires = Protobuf.bytesOf(all, 1)
    return expires === undefined
      ? Result.fail("required field 'expires' is missing")
      : Result.map(
          Protobuf.fields(expires),
          (stamp) =>
            Number(BigInt.asIntN(64, Protobuf.varintOf(stamp, 1))) * 1000 +
            Math.floor(Number(BigInt.asIntN(64, Protobuf.varintOf(stamp, 2))) / 1e6)
        )
  })

/** A message as it travels: a zero byte (not compressed), its length as u32, the message. */
export const frame = (message: Uint8Array): Uint8Array => {
  const out = new Uint8Array(5 + message.length)
  new DataView(out.buffer).setUint32(1, message.length)
  out.set(message, 5)
  return out
}

/** Cuts a byte stream into messages. State: the bytes of a message that is not whole yet. */
export class FrameReader {
  #parts: Array<Uint8Array> = []
  #held = 0

  /** Longest message accepted, bytes. */
  readonly limit: number

  /** The default is the servers' own limit. */
  constructor(limit = 4 * 1024 * 1024) {
    this.limit = limit
  }

  /** True when a message has begun and not ended: a stream that ends now was cut. */
  get pending(): boolean {
    return this.#held > 0
  }

  /** Every message completed by these bytes. A compressed or too long message is an error. */
  push(bytes: Uint8Array): Result.Result<ReadonlyArray<Uint8Array>, string> {
    if (bytes.length === 0) return Result.succeed([])
    this.#parts.push(bytes)
    this.#held += bytes.length
    const out: Array<Uint8Array> = []
    for (;;) {
      if (this.#held < 5) return Result.succeed(out)
      const head = this.#front(5)
      const length = new DataView(head.buffer, head.byteOffset).getUint32(1)
      if (head[0] !== 0) return Result.fail("compressed messages are not supported")
      if (length > this.limit) {
        return Result.fail(`decoded message length too large: found ${length} bytes, the limit is: ${this.limit} bytes`)
      }
      if (this.#held < 5 + length) return Result.succeed(out)
      const whole = this.#front(5 + length)
      const rest = whole.subarray(5 + length)
      out.push(whole.subarray(5, 5 + length))
      this.#parts[0] = rest
      if (rest.length === 0) this.#parts.shift()
      this.#held -= 5 + length
    }
  }

  /** The first held part, joined with its followers until it has at least `length` bytes. */
  #front(length: number): Uint8Array {
    const first = this.#parts[0]
    if (first !== undefined && first.length >= length) return first
    const joined = Protobuf.concat(this.#parts)
    this.#parts = [joined]
    return joined
  }
}

/** `grpc-message` escapes every byte outside printable ASCII, and `%`. */
export const encodeStatusMessage = (text: string): string =>
  Array.from(new TextEncoder().encode(text), (byte) =>
    byte >= 0x20 && byte <= 0x7e && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
  ).join("")

/** Broken escapes are left as they came: a status text is for people. */
export const decodeStatusMessage = (text: string): string => {
  const bytes: Array<number> = []
  for (let at = 0; at < text.length; at++) {
    const escape = /^%([0-9a-fA-F]{2})/.exec(text.slice(at, at + 3))
    if (escape?.[1] !== undefined) {
      bytes.push(Number.parseInt(escape[1], 16))
      at += 2
    } else {
      bytes.push(...new TextEncoder().encode(text[at]))
    }
  }
  return new TextDecoder().decode(Uint8Array.from(bytes))
}
