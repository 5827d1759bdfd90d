/**
 * The three ways a member of a JSON document may be given, as `serde` reads them:
 * required, optional (absence and `null` are the same) and defaulted (absence only; `null` is an error).
 */

import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { excerpt } from "../Excerpt.ts"
import { JsonFloat, kindOf } from "../JsonValue.ts"

/** Absent or `null` decode to `null`; encoding always writes the member. */
export const optional = <S extends Schema.Constraint>(schema: S) =>
  Schema.NullOr(schema).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(null)))

/** Absent decodes to the default; `null` is refused. */
export const defaulted = <S extends Schema.Constraint>(schema: S, value: () => NoInfer<S["Type"]>) =>
  Schema.withDecodingDefaultTypeKey<S>(Effect.sync(value))(schema)

/** A value that is refused for a reason of our own words. */
export const refused = (reason: string): SchemaIssue.Issue => new SchemaIssue.InvalidValue({ message: reason })

const isInteger = (input: unknown): input is number | bigint => typeof input === "bigint" || Number.isInteger(input)

/** An integer of a size, however many digits; a float is none, even if it is whole. Clients write it as a plain number. */
const integer = (identifier: string, min: bigint, max: bigint) =>
  Schema.declareConstructor<number | bigint>()(
    [],
    () => (input) => {
      const fault = (reason: string) => Effect.fail(refused(`${reason}, expected ${identifier}`))
      if (!isInteger(input)) return fault(`invalid type: ${kindOf(input)}`)
      return input >= min && input <= max
        ? Effect.succeed(input)
        : fault(`invalid value: integer \`${excerpt(String(input))}\``)
    },
    {
      identifier,
      toCodecJson: () =>
        Schema.link<number | bigint>()(
          min === 0n ? Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)) : Schema.Int,
          SchemaTransformation.transform({ decode: (value): number | bigint => value, encode: Number })
        )
    }
  )

/** u64, without loss beyond 2^53. */
export const U64 = integer("u64", 0n, 0xffffffffffffffffn).pipe(
  Schema.decodeTo(
    Schema.BigInt,
    SchemaTransformation.transform({
      decode: (value) => BigInt(value),
      encode: (value) => value
    })
  )
)

/** What a double does not hold exactly is rounded: these count seconds or parallel work. */
const rounded = (identifier: string, min: bigint, max: bigint) =>
  integer(identifier, min, max).pipe(
    Schema.decodeTo(
      Schema.Number,
      SchemaTransformation.transform({
        decode: (value) => Number(value),
        encode: (value) => value
      })
    )
  )

export const U8 = rounded("u8", 0n, 0xffn)
export const U32 = rounded("u32", 0n, 0xffffffffn)
export const I64 = rounded("i64", -0x8000000000000000n, 0x7fffffffffffffffn)
export const USize = rounded("usize", 0n, 0xffffffffffffffffn)

const isNumber = (input: unknown): input is number | bigint | JsonFloat =>
  typeof input === "number" || typeof input === "bigint" || input instanceof JsonFloat

/** Any number, whole or not. */
export const AnyNumber = Schema.declare(isNumber, {
  identifier: "a number",
  toCodecJson: () =>
    Schema.link<number | bigint | JsonFloat>()(
      Schema.Finite,
      SchemaTransformation.transform({
        decode: (value): number | bigint | JsonFloat => value,
        encode: (value) => (value instanceof JsonFloat ? value.value : Number(value))
      })
    )
}).pipe(
  Schema.decodeTo(
    Schema.Number,
    SchemaTransformation.transform({
      decode: (value) => (value instanceof JsonFloat ? value.value : Number(value)),
      encode: (value) => value
    })
  )
)

/** A text that must never be printed: tokens, password verifiers. */
export const Secret = Schema.RedactedFromValue(Schema.String)
