/**
 * Bytes -> text, strictly, in steps.
 */
import type { Steps } from "./Json.ts"

/** Bytes of a step. */
const STEP = 1024 * 1024

/** A text that comes in pieces, each of them at most a step. */
function* stepsOf(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += STEP) yield piece.subarray(at, at + STEP)
  }
}

/**
 * Undefined when the bytes, one piece after the other, are not UTF-8. A byte order mark is a character like any other:
 * whoever reads the text refuses it.
 */
export function* utf8Steps(bytes: Iterable<Uint8Array>): Steps<string | undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  const texts: Array<string> = []
  let done = 0
  try {
    for (const piece of stepsOf(bytes)) {
      texts.push(decoder.decode(piece, { stream: true }))
      done += piece.length
      if (done < STEP) continue
      done = 0
      yield
    }
    texts.push(decoder.decode())
  } catch {
    return undefined
  }
  return texts.join("")
}
