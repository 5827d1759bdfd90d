/**
 * `compute_ctl check`: whether a configuration could be run, and what it would run.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { check as checkDocument, type Fault, summary, unreadable } from "../../domain/conf/Check.ts"
import { complain, print } from "../output.ts"
import { type DocumentOptions, type ReadDocument, readDocument } from "./document.ts"

const shown = (file: string) => (fault: Fault) =>
  `${file}: ${fault.path === "" || fault.message.startsWith(fault.path) ? "" : `${fault.path}: `}${fault.message}`

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

export const check = (given: DocumentOptions) => Effect.flatMap(readDocument(given), report)
