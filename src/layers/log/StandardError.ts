/**
 * Whole lines to stderr, at once and in order: what was logged before an exit has been written.
 */
import { writeSync } from "node:fs"

/** A full pipe that its reader made non-blocking: how long a line waits before it is given up. */
const PATIENCE_MS = 1000

const code = (error: unknown) => (error instanceof Error && "code" in error ? error.code : undefined)

const pause = (milliseconds: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)

/** False when nobody reads any more. */
export const writeLine = (line: string): boolean => {
  let rest = Buffer.from(`${line}\n`)
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
