/**
 * What is said on the command line: results on standard output, complaints on standard error.
 */
import * as fs from "node:fs"
import * as tty from "node:tty"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { writeLine } from "../layers/observe/log/StandardError.ts"
import type { UsageError } from "./flags.ts"
import { harmless } from "./terminal/harmless.ts"

const STDOUT = 1

/** Nobody reads the standard output any more: there is nothing left to do, and nothing went wrong. */
export class ReaderLeft extends Data.TaggedError("ReaderLeft")<Record<never, never>> {}

/** The result did not arrive, as on a full disk: who takes the exit code for it must not believe that it did. */
export class OutputLost extends Data.TaggedError("OutputLost")<{ readonly message: string }> {}

class WriteFailed extends Data.TaggedError("WriteFailed")<{
  readonly code: string | undefined
  readonly message: string
}> {}

/** A pipe without a reader, a terminal that is gone, a descriptor that was closed before the start. */
const NOBODY_READS: ReadonlySet<string | undefined> = new Set(["EPIPE", "EIO", "EBADF", "ECONNRESET"])

/** Of a write that failed for good. */
export const whatFailed = ({ code, message }: { readonly code: string | undefined; readonly message: string }) =>
  NOBODY_READS.has(code)
    ? new ReaderLeft()
    : new OutputLost({ message: `cannot write the standard output: ${message}` })

/** Bytes written. The descriptor stays as it was inherited, in its starter's mode. */
const writeOnce = (bytes: Uint8Array) =>
  Effect.callback<number, WriteFailed>((resume) => {
    fs.write(STDOUT, bytes, (error, written) =>
      resume(
        error === null
          ? Effect.succeed(written)
          : Effect.fail(new WriteFailed({ code: error.code, message: error.message }))
      )
    )
  }).pipe(
    // A pipe that whoever started us made non-blocking, and whose reader is slow.
    Effect.retry({ while: ({ code }) => code === "EAGAIN", schedule: Schedule.spaced("10 millis") }),
    Effect.catch((error) => Effect.die(whatFailed(error)))
  )

/** Succeeds when the reader has all of it, so that nothing is left for the end of the process. */
export const write = (text: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    let rest: Uint8Array = Buffer.from(text)
    while (rest.length > 0) rest = rest.subarray(yield* writeOnce(rest))
  })

export const print = (text: string): Effect.Effect<void> => write(`${text}\n`)

export const complain = (text: string): Effect.Effect<void> => Effect.sync(() => void writeLine(harmless(text)))

/** Asked of the descriptor: a stream on it would change its mode. */
export const isTerminal = (): boolean => tty.isatty(STDOUT)

/** Characters in a line; null where it is no terminal. */
export const columns = (): number | null => (isTerminal() ? process.stdout.columns || null : null)

/** The environment's wish counts (https://no-color.org). */
export const hasColours = (): boolean => isTerminal() && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb"

/** The cursor goes home and what was below is gone. */
const ANEW = "\x1b[H\x1b[J"

/** As many lines as a screen has: what scrolls away would be there again with each screen. `rows`: null where it does not matter. */
export const clipped = (text: string, rows: number | null): string => {
  const lines = text.split("\n")
  if (rows === null || rows < 3 || lines.length < rows) return text
  return [...lines.slice(0, rows - 2), `… ${lines.length - rows + 2} lines more`].join("\n")
}

/** In the place of the screen before; below it where there is no terminal. */
export const repaint = (text: string): Effect.Effect<void> =>
  isTerminal() ? print(`${ANEW}${clipped(text, process.stdout.rows || null)}`) : print(`${text}\n`)

export const wantsHelp = (argv: ReadonlyArray<string>): boolean => argv.includes("--help") || argv.includes("-h")

/** A wrong command line, or a file of it that cannot be read: what is wrong and what would be right; exit code 2. */
export const misused = ({ message, hint }: UsageError): Effect.Effect<number> =>
  Effect.as(complain(`error: ${message}${hint === undefined ? "" : `\n  tip: ${hint}`}`), 2)

/** Succeeds with 0 when whoever reads has left, with 1 when the result could not be written. */
export const untilReaderLeaves = <R>(effect: Effect.Effect<number, never, R>): Effect.Effect<number, never, R> =>
  Effect.catchDefect(effect, (defect) => {
    if (defect instanceof ReaderLeft) return Effect.succeed(0)
    if (defect instanceof OutputLost) return Effect.as(complain(`Error: ${defect.message}`), 1)
    return Effect.die(defect)
  })
