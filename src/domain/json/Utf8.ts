/**
 * Bytes -> text, strictly, in steps.
 */
import type { Steps } from "./Steps.ts"

/** Bytes of a step. */
const STEP = 256 * 1024

/** A text that comes in pieces, each of them at most a step. */
function* stepsOf(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += STEP) yield piece.subarray(at, at + STEP)
  }
}

/**
 * What the bytes, one piece after the other, say, in pieces of about a step; as often as it is asked for, and no more of it
 * kept. A byte order mark is a character like any other: whoever reads the text refuses it.
 */
export class Utf8Text implements Iterable<string> {
  readonly #bytes: Iterable<Uint8Array>
  /** Some of what was asked for is not UTF-8; the text ends before it. */
  isBroken = false

  constructor(bytes: Iterable<Uint8Array>) {
    this.#bytes = bytes
  }

  *[Symbol.iterator](): Generator<string> {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
    let texts: Array<string> = []
    let size = 0
    try {
      for (const piece of stepsOf(this.#bytes)) {
        texts.push(decoder.decode(piece, { stream: true }))
        size += piece.length
        if (size < STEP) continue
        yield texts.join("")
        texts = []
        size = 0
      }
      texts.push(decoder.decode())
    } catch {
      this.isBroken = true
      return
    }
    yield texts.join("")
  }
}

/** As one text; undefined when the bytes are not UTF-8. */
export function* utf8Steps(bytes: Uint8Array): Steps<string | undefined> {
  const text = new Utf8Text([bytes])
  const texts: Array<string> = []
  for (const piece of text) {
    texts.push(piece)
    yield
  }
  return text.isBroken ? undefined : texts.join("")
}
