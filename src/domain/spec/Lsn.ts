/**
 * Log sequence number: a byte position in the write-ahead log, 64 bits, written `HI/LO` in upper-case hex without padding.
 *
 * Source: `libs/utils/src/lsn.rs`.
 */

import * as Brand from "effect/Brand"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { refused } from "../json/decode/Shapes.ts"

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
export const parse = (text: string): Result.Result<Lsn, "LsnParseError"> => {
  const [, high, low] = FORMAT.exec(text) ?? []
  return high === undefined || low === undefined
    ? Result.fail("LsnParseError")
    : Result.succeed(brand((BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)))
}

const LsnFromSelf = Schema.declare((input): input is Lsn => typeof input === "bigint", { identifier: "Lsn" })

/** An LSN in JSON: always a string. */
export const Lsn = Schema.String.pipe(
  Schema.decodeTo(
    LsnFromSelf,
    SchemaTransformation.transformEffect({
      decode: (text) => Effect.fromResult(Result.mapError(parse(text), refused)),
      encode: (lsn) => Effect.succeed(format(lsn))
    })
  )
)
