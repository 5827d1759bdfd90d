/**
 * What the verbs say: results on standard output, complaints on standard error.
 */
import * as Effect from "effect/Effect"
import { writeLine } from "../layers/observe/log/StandardError.ts"
import type { UsageError } from "./flags.ts"

export const print = (text: string): Effect.Effect<void> => Effect.sync(() => void process.stdout.write(`${text}\n`))

export const complain = (text: string): Effect.Effect<void> => Effect.sync(() => void writeLine(text))

export const wantsHelp = (argv: ReadonlyArray<string>): boolean => argv.includes("--help") || argv.includes("-h")

/** A wrong command line: what is wrong and what would be right; exit code 2. */
export const misused = ({ message, hint }: UsageError): Effect.Effect<number> =>
  Effect.as(complain(`error: ${message}${hint === undefined ? "" : `\n  tip: ${hint}`}`), 2)
