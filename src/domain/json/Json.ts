/**
 * JSON text -> value, as a strict reader takes it: integers beyond 2^53 keep all their digits, a member given twice is
 * noticed, a fault has its place, and what stood before the fault is still known.
 */

import type { JsonObject, JsonValue } from "./JsonValue.ts"
import { JsonReader } from "./read/JsonReader.ts"
import { piecesOf, type Source } from "./read/Source.ts"

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

/** Work in steps of a millisecond or so: whoever runs it may do something else in between. */
export type Steps<A> = Generator<void, A>

/** All steps at once. */
export const run = <A>(steps: Steps<A>): A => {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** Characters of a step. */
const STEP = 64 * 1024

/** Reads one value; what follows it is not looked at. With `places` their offsets are noted on the way. */
export function* readSteps(source: Source, places?: JsonPlace): Steps<JsonRead> {
  const reader = new JsonReader(source, places)
  while (!reader.step(STEP)) yield
  return {
    value: reader.root,
    fault: reader.fault,
    open: reader.open,
    duplicates: reader.duplicates,
    nuls: reader.nuls,
    large: reader.large,
    end: reader.end
  }
}

export const read = (text: string): JsonRead => run(readSteps(text))

/** Line breaks that are counted in a step. */
const LINES_STEP = 64 * 1024

/** 1-based line and column. */
export function* positionSteps(
  source: Source,
  offset: number
): Steps<{ readonly line: number; readonly column: number }> {
  let line = 1
  let start = 0
  let begin = 0
  for (const piece of piecesOf(source)) {
    for (let at = piece.indexOf("\n"); at >= 0 && begin + at < offset; at = piece.indexOf("\n", at + 1)) {
      line++
      start = begin + at + 1
      if (line % LINES_STEP === 0) yield
    }
    begin += piece.length
    if (begin >= offset) break
    yield
  }
  return { line, column: offset - start + 1 }
}

/** The first thing after the value that is not white space, as a fault: files have one value and nothing else. */
export const trailing = (source: Source, end: number): JsonFault | null => {
  let begin = 0
  for (const piece of piecesOf(source)) {
    const rest = /[^ \t\r\n]/g
    rest.lastIndex = Math.max(0, end - begin)
    const match = rest.exec(piece)
    if (match !== null) return { message: "trailing characters", offset: begin + match.index }
    begin += piece.length
  }
  return null
}
