/**
 * Bytes -> text, strictly, in steps.
 */
import type { Steps } from "./Json.ts"

/** Bytes of a step. */
const STEP = 1024 * 1024

/** Undefined when the bytes are not UTF-8. A byte order mark is a character like any other: whoever reads the text refuses it. */
export function* utf8Steps(bytes: Uint8Array): Steps<string | undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  const pieces: Array<string> = []
  for (let at = 0; ; at += STEP) {
    const isLast = at + STEP >= bytes.length
    try {
      pieces.push(decoder.decode(bytes.subarray(at, at + STEP), { stream: !isLast }))
    } catch {
      return undefined
    }
    if (isLast) return pieces.join("")
    yield
  }
}
