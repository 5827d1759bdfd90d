/**
 * Log sequence number: a byte position in the write-ahead log, 64 bits, written `HI/LO` in upper-case hex without padding.
 *
 * Source: `libs/utils/src/lsn.rs`.
 */
import * as Brand from "effect/Brand"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

export type Lsn = bigint & Brand.Brand<"Lsn">
const brand = Brand.nominal<Lsn>()

/** `0/0`: no position known; in a basebackup request it means "latest". */
export const zero: Lsn = brand(0n)

export const fromBigInt = (value: bigint): Lsn => brand(BigInt.asUintN(64, value))

export const format = (lsn: Lsn): string =>
  `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`

const half = (text: string): bigint | undefined => {
  const digits = text.startsWith("+") ? text.slice(1) : text
  if (!/^[0-9a-fA-F]+$/.test(digits)) return undefined
  const value = BigInt(`0x${digits}`)
  return value <= 0xffffffffn ? value : undefined
}

/** Reads `HI/LO`; surrounding white space, either case and leading zeros are accepted. */
export const parse = (text: string): Either.Either<Lsn, "LsnParseError"> => {
  const parts = text.trim().split("/")
  const hi = half(parts[0] ?? "")
  const lo = half(parts[1] ?? "")
  return parts.length === 2 && hi !== undefined && lo !== undefined
    ? Either.right(brand((hi << 32n) | lo))
    : Either.left("LsnParseError")
}

const LsnFromSelf = Schema.declare((input): input is Lsn => typeof input === "bigint", { identifier: "Lsn" })

/** An LSN in JSON: always a string. */
export const Lsn = Schema.transformOrFail(Schema.String, LsnFromSelf, {
  strict: true,
  decode: (text, _, ast) => Either.mapLeft(parse(text), (message) => new ParseResult.Type(ast, text, message)),
  encode: (lsn) => ParseResult.succeed(format(lsn))
})
