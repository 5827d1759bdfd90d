/**
 * Values as a schema of the OpenAPI document wants them, and others.
 */
import * as fc from "fast-check"
import { made, type Schema } from "./openapi.ts"

const MOST = 2 ** 53 - 1

const resolved = (schema: Schema): Schema =>
  schema.$ref === undefined ? schema : (made.components.schemas[schema.$ref.split("/").at(-1) ?? ""] ?? {})

const objectOf = ({ additionalProperties, properties = {}, required = [] }: Schema): fc.Arbitrary<unknown> => {
  const members = Object.fromEntries(Object.entries(properties).map(([name, member]) => [name, valid(member)]))
  const named = fc.record(members, { requiredKeys: [...required] })
  if (additionalProperties === undefined) return named
  const others = fc.dictionary(fc.string({ maxLength: 8 }), valid(additionalProperties), { maxKeys: 2 })
  return fc.tuple(named, others).map(([own, more]) => ({ ...more, ...own }))
}

/** What the schema allows. */
export const valid = (schema: Schema): fc.Arbitrary<unknown> => {
  const { anyOf, items = {}, maximum = MOST, minimum = -MOST, type, ...found } = resolved(schema)
  if (found.enum !== undefined) return fc.constantFrom(...found.enum)
  if (anyOf !== undefined) return fc.oneof(...anyOf.map(valid))
  switch (type) {
    case "object":
      return objectOf(found)
    case "array":
      return fc.array(valid(items), { maxLength: 3 })
    case "string":
      return fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: "binary", maxLength: 20 }))
    case "integer":
      return fc.integer({ min: minimum, max: maximum })
    case "number":
      return fc.double({ noNaN: true, noDefaultInfinity: true })
    case "boolean":
      return fc.boolean()
    case "null":
      return fc.constant(null)
    default:
      return fc.jsonValue()
  }
}

/** One member, however deep, is another value or away. */
const spoilt = (value: unknown, [at, ...deeper]: ReadonlyArray<number>, by: unknown): unknown => {
  if (at === undefined || typeof value !== "object" || value === null) return by
  const names = Object.keys(value)
  const chosen = names[at % Math.max(1, names.length)]
  if (chosen === undefined) return by
  const entries = Object.entries(value).flatMap(
    ([name, member]): ReadonlyArray<readonly [string, unknown]> =>
      name !== chosen ? [[name, member]] : by === undefined ? [] : [[name, spoilt(member, deeper, by)]]
  )
  return Array.isArray(value) ? entries.map(([, member]) => member) : Object.fromEntries(entries)
}

/** What the schema hardly allows. */
export const invalid = (schema: Schema): fc.Arbitrary<unknown> =>
  fc
    .tuple(valid(schema), fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }), fc.option(fc.jsonValue()))
    .map(([value, where, by]) => spoilt(value, where, by ?? undefined))
