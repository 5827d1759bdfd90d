/**
 * JSON text -> value, as a strict reader takes it: integers beyond 2^53 keep all their digits, a member given twice is
 * noticed, a fault has its place, and what stood before the fault is still known.
 */

import type { JsonFault, JsonPlace, JsonRead } from "./read/JsonRead.ts"
import { JsonReader } from "./read/JsonReader.ts"
import { piecesOf, type Source } from "./read/Source.ts"
import { run, type Steps } from "./Steps.ts"

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
