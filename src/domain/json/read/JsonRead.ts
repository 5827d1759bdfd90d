/**
 * What reading a text gives: its value, and what was noticed on the way.
 */
import type { JsonObject, JsonValue } from "../JsonValue.ts"

export interface JsonFault {
  readonly message: string
  /** UTF-16 offset into the text. */
  readonly offset: number
}

/** A member given more than once; the value holds the last one. */
export interface JsonDuplicate {
  readonly object: JsonObject
  readonly key: string
  /** Where the second key begins. */
  readonly offset: number
}

/** A text or a name with a NUL character in it. */
export interface JsonNul {
  /** Null for the root. */
  readonly container: JsonValue | null
  /** Of a text; null when it is the name of a member. */
  readonly key: string | number | null
  readonly offset: number
}

export interface JsonRead {
  /** With a fault: what was complete before it, in containers that are listed as `open`. Absent when nothing was. */
  readonly value: JsonValue | undefined
  readonly fault: JsonFault | null
  /** Containers that the fault left unfinished: their missing members are not missing yet. */
  readonly open: ReadonlySet<JsonValue>
  readonly duplicates: ReadonlyArray<JsonDuplicate>
  /** The first hundred. */
  readonly nuls: ReadonlyArray<JsonNul>
  /** Containers of so many values that whoever goes through them should pause on the way. */
  readonly large: ReadonlySet<JsonValue>
  /** Offset behind the value. */
  readonly end: number
}

/** A part of a document whose place is asked for, or that leads to one. */
export interface JsonPlace {
  readonly below: Map<string | number, JsonPlace>
  /** Where it begins: unknown when the text ends before, or has no such part. */
  begin: number | undefined
  /** Behind a container; its missing members are noticed there. */
  end: number | undefined
}

export const newPlace = (): JsonPlace => ({ below: new Map(), begin: undefined, end: undefined })
