/**
 * The protobuf wire format, as far as the pageserver's messages need it: varints and length-delimited fields.
 * Fixed-width fields are skipped when read, never written.
 *
 * Source: https://protobuf.dev/programming-guides/encoding/
 */
import * as Result from "effect/Result"

export type Field =
  | { readonly number: number; readonly kind: "varint"; readonly value: bigint }
  | { readonly number: number; readonly kind: "bytes"; readonly value: Uint8Array }

export const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const varint = (value: bigint): Uint8Array => {
  const out: Array<number> = []
  let rest = BigInt.asUintN(64, value)
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  out.push(Number(rest))
  return Uint8Array.from(out)
}

const empty = new Uint8Array(0)

/** A varint field; proto3 leaves the default value 0 out. */
export const varintField = (number: number, value: bigint): Uint8Array =>
  value === 0n ? empty : concat([varint(BigInt(number << 3)), varint(value)])

export const boolField = (number: number, value: boolean): Uint8Array => varintField(number, value ? 1n : 0n)

/** A string, bytes or message field; written even when empty, so that presence survives. */
export const bytesField = (number: number, value: Uint8Array): Uint8Array =>
  concat([varint(BigInt((number << 3) | 2)), varint(BigInt(value.length)), value])

/** Fields of a message; those that are sent have two or three. */
const MOST_FIELDS = 1000

/** Reads a message into its fields, in order. Bytes are views into `message`, not copies. */
export const fields = (message: Uint8Array): Result.Result<ReadonlyArray<Field>, string> => {
  const out: Array<Field> = []
  let at = 0
  /** -1n stands for a varint that is cut off or too long. */
  const next = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at]
      if (byte === undefined) return -1n
      at++
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    return -1n
  }
  while (at < message.length) {
    if (out.length === MOST_FIELDS) return Result.fail(`more than ${MOST_FIELDS} fields`)
    const tag = next()
    if (tag < 0n) return Result.fail("invalid varint")
    const number = Number(tag >> 3n)
    const wire = Number(tag & 7n)
    if (number === 0) return Result.fail("invalid tag value: 0")
    if (wire === 0) {
      const value = next()
      if (value < 0n) return Result.fail("invalid varint")
      out.push({ number, kind: "varint", value })
    } else if (wire === 2) {
      const length = next()
      if (length < 0n || BigInt(at) + length > BigInt(message.length)) return Result.fail("buffer underflow")
      const end = at + Number(length)
      out.push({ number, kind: "bytes", value: message.subarray(at, end) })
      at = end
    } else if (wire === 1 || wire === 5) {
      at += wire === 1 ? 8 : 4
      if (at > message.length) return Result.fail("buffer underflow")
    } else {
      return Result.fail(`invalid wire type value: ${wire}`)
    }
  }
  return Result.succeed(out)
}

/** The last varint of that number, or 0: what proto3 says an absent field is. */
export const varintOf = (all: ReadonlyArray<Field>, number: number): bigint => {
  const found = all.findLast((field) => field.number === number && field.kind === "varint")
  return found?.kind === "varint" ? found.value : 0n
}

/** The last length-delimited field of that number. */
export const bytesOf = (all: ReadonlyArray<Field>, number: number): Uint8Array | undefined => {
  const found = all.findLast((field) => field.number === number && field.kind === "bytes")
  return found?.kind === "bytes" ? found.value : undefined
}
