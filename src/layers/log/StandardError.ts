/**
 * Whole lines to stderr, in order: those of one turn of the event loop in one write, since a busy API logs two for each
 * request. What was logged before an exit has been written.
 */
import { writeSync } from "node:fs"

/** A full pipe that its reader made non-blocking: how long lines wait before they are given up. */
const PATIENCE_MS = 1000
/** Bytes that wait for the end of the turn; more are written at once. */
const MOST_PENDING = 64 * 1024

const code = (error: unknown) => (error instanceof Error && "code" in error ? error.code : undefined)

const pause = (milliseconds: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)

/** False when nobody reads any more. */
const writeAll = (text: string): boolean => {
  let rest = Buffer.from(text)
  let waited = 0
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(2, rest))
    } catch (error) {
      if (code(error) !== "EAGAIN" || waited >= PATIENCE_MS) return false
      pause(10)
      waited += 10
    }
  }
  return true
}

let pending = ""
let isReader = true
let flushesAtExit = false

const flush = () => {
  const text = pending
  pending = ""
  if (text !== "") isReader = writeAll(text)
}

/** False when nobody reads any more, as far as is known: lines are written after this returns. */
export const writeLine = (line: string): boolean => {
  if (!flushesAtExit) {
    flushesAtExit = true
    process.on("exit", flush)
  }
  if (pending === "") setImmediate(flush)
  pending += `${line}\n`
  if (pending.length > MOST_PENDING) flush()
  return isReader
}
