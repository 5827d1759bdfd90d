/**
 * Values of the types that our statements ask for, from and to the text that Postgres writes for them.
 */
import type { Column, Parameter } from "./wire/Frames.ts"

/** Numbers of eight bytes stay text: they go beyond what a double holds. So does all that is not named below. */
export type Value = string | number | boolean | null | Uint8Array

const bool = 16
const bytea = 17
const numbers: ReadonlySet<number> = new Set([21, 23, 26, 700, 701])

const valueOf = (type: number, text: string): Value => {
  if (numbers.has(type)) return Number(text)
  if (type === bool) return text === "t"
  if (type === bytea && text.startsWith("\\x")) return Buffer.from(text.slice(2), "hex")
  return text
}

/** Undefined when the values are not those of the columns. */
export const rowOf = (
  columns: ReadonlyArray<Column>,
  values: ReadonlyArray<string | null> | undefined
): Record<string, Value> | undefined => {
  if (values?.length !== columns.length) return undefined
  return Object.fromEntries(
    columns.map(({ name, type }, at) => {
      const text = values[at] ?? null
      return [name, text === null ? null : valueOf(type, text)]
    })
  )
}

/** What goes in the place of `$1`. */
export type Argument = Value | ReadonlyArray<string | number>

const quoted = (element: string | number): string => `"${String(element).replace(/["\\]/g, "\\$&")}"`

export const parameterOf = (argument: Argument): Parameter => {
  if (argument === null || typeof argument === "string" || argument instanceof Uint8Array) return argument
  return typeof argument === "object" ? `{${argument.map(quoted).join(",")}}` : String(argument)
}
