/**
 * The three ways a member of a JSON document may be given, as `serde` reads them:
 * required, optional (absence and `null` are the same) and defaulted (absence only; `null` is an error).
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"
import { excerpt } from "./Excerpt.ts"
import { JsonFloat, kindOf } from "./JsonValue.ts"

/** Absent or `null` decode to `null`; encoding always writes the member. */
export const optional = <A, I, R>(schema: Schema.Schema<A, I, R>) =>
  Schema.optionalWith(Schema.NullOr(schema), { default: () => null })

/** Absent decodes to the default; `null` is refused. */
export const defaulted = <A, I, R>(schema: Schema.Schema<A, I, R>, value: () => NoInfer<A>) =>
  Schema.optionalWith(schema, { default: value })

const isInteger = (input: unknown): input is number | bigint => typeof input === "bigint" || Number.isInteger(input)

/** An integer of a size, however many digits; a float is none, even if it is whole. */
const integer = (identifier: string, min: bigint, max: bigint): Schema.Schema<number | bigint> => {
  const check = (
    input: unknown,
    _: AST.ParseOptions,
    ast: AST.Declaration
  ): Either.Either<number | bigint, ParseResult.ParseIssue> => {
    const fault = (reason: string) => Either.left(new ParseResult.Type(ast, input, `${reason}, expected ${identifier}`))
    if (!isInteger(input)) return fault(`invalid type: ${kindOf(input)}`)
    return input >= min && input <= max
      ? Either.right(input)
      : fault(`invalid value: integer \`${excerpt(String(input))}\``)
  }
  return Schema.declare(
    [],
    { decode: () => check, encode: () => check },
    { identifier, jsonSchema: { type: "integer" } }
  )
}

/** u64, without loss beyond 2^53. */
export const U64 = Schema.transform(integer("u64", 0n, 0xffffffffffffffffn), Schema.BigIntFromSelf, {
  strict: true,
  decode: (value) => BigInt(value),
  encode: (value) => value
})

/** What a double does not hold exactly is rounded: these count seconds or parallel work. */
const rounded = (identifier: string, min: bigint, max: bigint) =>
  Schema.transform(integer(identifier, min, max), Schema.Number, {
    strict: true,
    decode: (value) => Number(value),
    encode: (value) => value
  })

export const U8 = rounded("u8", 0n, 0xffn)
export const U32 = rounded("u32", 0n, 0xffffffffn)
export const I64 = rounded("i64", -0x8000000000000000n, 0x7fffffffffffffffn)
export const USize = rounded("usize", 0n, 0xffffffffffffffffn)

const isNumber = (input: unknown): input is number | bigint | JsonFloat =>
  typeof input === "number" || typeof input === "bigint" || input instanceof JsonFloat

/** Any number, whole or not. */
export const AnyNumber = Schema.transform(
  Schema.declare(isNumber, { identifier: "a number", jsonSchema: { type: "number" } }),
  Schema.Number,
  {
    strict: true,
    decode: (value) => (value instanceof JsonFloat ? value.value : Number(value)),
    encode: (value) => value
  }
)

/** A text that must never be printed: tokens, password verifiers. */
export const Secret = Schema.Redacted(Schema.String)
