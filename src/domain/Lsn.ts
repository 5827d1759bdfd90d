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

/** Surrounding white space, either case, a plus and leading zeros are accepted; longer halves are none. */
const FORMAT = /^\s*\+?0*([0-9a-fA-F]{1,8})\/\+?0*([0-9a-fA-F]{1,8})\s*$/

/** Reads `HI/LO`. */
export const parse = (text: string): Either.Either<Lsn, "LsnParseError"> => {
  const [, high, low] = FORMAT.exec(text) ?? []
  return high === undefined || low === undefined
    ? Either.left("LsnParseError")
    : Either.right(brand((BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)))
}

const LsnFromSelf = Schema.declare((input): input is Lsn => typeof input === "bigint", { identifier: "Lsn" })

/** An LSN in JSON: always a string. */
export const Lsn = Schema.transformOrFail(Schema.String, LsnFromSelf, {
  strict: true,
  decode: (text, _, ast) => Either.mapLeft(parse(text), (message) => new ParseResult.Type(ast, text, message)),
  encode: (lsn) => ParseResult.succeed(format(lsn))
})
