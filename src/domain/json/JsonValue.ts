/**
 * What a JSON text stands for. Integers beyond 2^53 are `bigint`, so that they keep all their digits.
 */

export type JsonValue = string | number | bigint | boolean | null | JsonFloat | ReadonlyArray<JsonValue> | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** A whole number that was written with a fraction or an exponent, such as `1.0`: no integer to a strict reader. */
export class JsonFloat {
  readonly _tag = "JsonFloat"
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

export const isList = (value: JsonValue | undefined): value is ReadonlyArray<JsonValue> => Array.isArray(value)
export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !isList(value) && !(value instanceof JsonFloat)

/** A container's member; undefined when there is none, or the value is no container. */
export const child = (value: JsonValue | undefined, key: string | number): JsonValue | undefined => {
  if (isList(value)) return value[Number(key)]
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

/** What a value is, in the words of error texts. The value itself may be a secret and is not shown. */
export const kindOf = (value: unknown): string => {
  if (value === null || value === undefined) return "null"
  if (Array.isArray(value)) return "sequence"
  if (value instanceof JsonFloat) return "floating point"
  switch (typeof value) {
    case "number":
      return Number.isInteger(value) ? "integer" : "floating point"
    case "bigint":
      return "integer"
    case "object":
      return "map"
    default:
      return typeof value
  }
}
