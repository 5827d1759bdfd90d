/**
 * A value -> JSON text in steps, as `JSON.stringify` would write it: the report of an apply to a hundred thousand roles is a
 * text of 30 MB.
 */
import type { Steps } from "./Steps.ts"

/** Values, or sixty characters of a text each, that are written in one go. */
const SMALL = 1000
const CHARACTERS = 60
/** Characters of a piece. */
const PIECE = 256 * 1024
/** Values that are looked at or written between two pauses. */
const STEP = 20_000

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype

/** What is left of `most` when the value has been counted; below zero when it is larger. */
const rest = (value: unknown, most: number): number => {
  if (typeof value === "string") return most - 1 - value.length / CHARACTERS
  let left = most - 1
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length && left >= 0; index++) left = rest(value[index], left)
  } else if (isPlain(value)) {
    for (const key in value) {
      if (left < 0) break
      left = rest(value[key], left - key.length / CHARACTERS)
    }
  }
  return left
}

/** Pieces of the text, each of a moderate length; a single text within the value stays whole. */
export function* textSteps(whole: unknown): Steps<ReadonlyArray<string>> {
  const pieces: Array<string> = []
  let open: Array<string> = []
  let length = 0
  let visited = 0
  const put = (text: string) => {
    open.push(text)
    length += text.length
    if (length < PIECE) return
    pieces.push(open.join(""))
    open = []
    length = 0
  }
  function* write(value: unknown): Steps<void> {
    const left = rest(value, SMALL)
    visited += SMALL - Math.max(0, left)
    if (visited > STEP) {
      visited = 0
      yield
    }
    if (left >= 0 || !(Array.isArray(value) || isPlain(value))) return put(JSON.stringify(value) ?? "null")
    let between = ""
    if (Array.isArray(value)) {
      put("[")
      for (const element of value) {
        put(between)
        between = ","
        yield* write(element)
      }
      return put("]")
    }
    put("{")
    for (const [key, member] of Object.entries(value)) {
      if (member === undefined) continue
      put(`${between}${JSON.stringify(key)}:`)
      between = ","
      yield* write(member)
    }
    put("}")
  }
  yield* write(whole)
  return length > 0 ? [...pieces, open.join("")] : pieces
}
