/**
 * The three ways a member of a JSON document may be given, as `serde` reads them:
 * required, optional (absence and `null` are the same) and defaulted (absence only; `null` is an error).
 */
import * as Schema from "effect/Schema"

/** Absent or `null` decode to `null`; encoding always writes the member. */
export const optional = <A, I, R>(schema: Schema.Schema<A, I, R>) =>
  Schema.optionalWith(Schema.NullOr(schema), { default: () => null })

/** Absent decodes to the default; `null` is refused. */
export const defaulted = <A, I, R>(schema: Schema.Schema<A, I, R>, value: () => NoInfer<A>) =>
  Schema.optionalWith(schema, { default: value })

const integer = (identifier: string, min: bigint, max: bigint) => {
  const inRange = (value: number | bigint) =>
    (typeof value === "bigint" || Number.isInteger(value)) && value >= min && value <= max
  return Schema.Union(Schema.Number, Schema.BigIntFromSelf).pipe(
    Schema.filter((value) => inRange(value) || `invalid value: expected ${identifier}`, { identifier })
  )
}

/** u64, without loss beyond 2^53. */
export const U64 = Schema.transform(integer("u64", 0n, 0xffffffffffffffffn), Schema.BigIntFromSelf, {
  strict: true,
  decode: (value) => BigInt(value),
  encode: (value) => value
})

const small = (identifier: string, min: number, max: number) =>
  Schema.Number.pipe(
    Schema.filter((value) => (Number.isInteger(value) && value >= min && value <= max) || `invalid value: expected ${identifier}`, {
      identifier
    })
  )

export const U8 = small("u8", 0, 0xff)
export const U32 = small("u32", 0, 0xffffffff)
/** i64 as far as a double holds it exactly: enough for durations in seconds. */
export const I64 = small("i64", Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
export const USize = small("usize", 0, Number.MAX_SAFE_INTEGER)

/** A text that must never be printed: tokens, password verifiers. */
export const Secret = Schema.Redacted(Schema.String)
