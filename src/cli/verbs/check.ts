/**
 * `compute_ctl check`: whether a configuration could be run, and what it would run.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { check as checkDocument, type Fault, summary, unreadable } from "../../domain/conf/Check.ts"
import { helpOf } from "../flags.ts"
import { complain, misused, print, wantsHelp } from "../output.ts"
import { documentFlags, type ReadDocument, readDocument } from "./document.ts"

const helpText = `compute_ctl check decodes and validates a configuration and prints what it would run.
Every error is printed with its JSON path. Exit code: 0 it could be run, 1 it could not, 2 wrong arguments.

Usage: compute_ctl check --config FILE

Options:
${helpOf(documentFlags)}`

const shown = (file: string) => (fault: Fault) =>
  `${file}: ${fault.path === "" || fault.message.startsWith(fault.path) ? "" : `${fault.path}: `}${fault.message}`

export const check = (argv: ReadonlyArray<string>): Effect.Effect<number> => {
  if (wantsHelp(argv)) return Effect.as(print(helpText), 0)
  return Effect.matchEffect(readDocument(argv), { onFailure: misused, onSuccess: report })
}

const report = ({ document, file, text, context }: ReadDocument): Effect.Effect<number> =>
  Result.match(checkDocument(document, text, { ...context, tls: false }), {
    onFailure: (faults) => Effect.as(complain(faults.map(shown(file)).join("\n")), 1),
    onSuccess: (checked) => {
      const fault = unreadable(checked)
      if (fault !== null) return Effect.as(complain(shown(file)(fault)), 1)
      const lines = summary(checked)
      const width = Math.max(...lines.map(([name]) => name.length))
      return Effect.as(print(lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n")), 0)
    }
  })
