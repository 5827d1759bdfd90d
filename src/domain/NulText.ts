/**
 * NUL characters in a document. Postgres, the file system and the environment of a process end a text there, so that what
 * was checked is not what is used.
 */
import { JsonFloat, type JsonPlaces, type JsonValue } from "./Json.ts"

export interface NulFault {
  readonly keys: ReadonlyArray<string | number>
  readonly reason: string
  readonly offset: number
}

/** False for nearly every text, and cheap to know: a NUL can only be written as an escape. */
export const mayHoldNul = (text: string): boolean => text.includes("\\u0000")

/** One is enough to refuse a document; a reader who mends it by hand wants to see a few. */
const MOST = 100

/** Texts and names of members that have one. */
export const nulFaults = (root: JsonValue, places: JsonPlaces): ReadonlyArray<NulFault> => {
  const found: Array<NulFault> = []
  const add = (container: JsonValue | null, key: string | number, keys: NulFault["keys"], reason: string) => {
    const offset = places.member(container, key)
    if (offset !== undefined && found.length < MOST) found.push({ keys, reason, offset })
  }
  const visit = (value: JsonValue, container: JsonValue | null, key: string | number, keys: NulFault["keys"]): void => {
    if (typeof value === "string" && value.includes("\0"))
      add(container, key, keys, "the text contains a NUL character")
    if (typeof value !== "object" || value === null || value instanceof JsonFloat) return
    const numbered = Array.isArray(value)
    for (const [name, member] of Object.entries(value)) {
      const own = numbered ? Number(name) : name
      if (name.includes("\0")) add(value, own, keys, "the name of a member contains a NUL character")
      else visit(member, value, own, [...keys, own])
    }
  }
  visit(root, null, "", [])
  return found
}
