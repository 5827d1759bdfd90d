/**
 * `compute_ctl check`: whether a configuration could be run, and what it would run.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type Checked, check as checkDocument, type Fault, summary, unreadable } from "../../domain/conf/Check.ts"
import { Children } from "../../layers/machine/child/Children.ts"
import { refusedBy } from "../../programs/start/refusedBy.ts"
import { complain, print } from "../output.ts"
import { type DocumentOptions, type ReadDocument, readDocument } from "./document.ts"

export interface CheckOptions extends DocumentOptions {
  readonly pgbin: string | null
}

const shown = (file: string) => (fault: Fault) =>
  `${file}: ${fault.path === "" || fault.message.startsWith(fault.path) ? "" : `${fault.path}: `}${fault.message}`

const told = (file: string, faults: ReadonlyArray<Fault>) => Effect.as(complain(faults.map(shown(file)).join("\n")), 1)

const summarized = (checked: Checked): Effect.Effect<number> => {
  const lines = summary(checked)
  const width = Math.max(...lines.map(([name]) => name.length))
  return Effect.as(print(lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n")), 0)
}

const report = ({ context, document, file, text }: ReadDocument, pgbin: string | null): Effect.Effect<number> =>
  Result.match(checkDocument(document, text, { ...context, tls: false }), {
    onFailure: (faults) => told(file, faults),
    onSuccess: (checked) => {
      const fault = unreadable(checked)
      if (fault !== null) return told(file, [fault])
      if (pgbin === null) return summarized(checked)
      return Effect.matchEffect(Effect.provide(refusedBy(checked, pgbin, { ...context, tls: false }), Children.layer), {
        onFailure: ({ message }) => Effect.as(complain(`cannot ask ${pgbin}: ${message}`), 2),
        onSuccess: (faults) => (faults.length > 0 ? told(file, faults) : summarized(checked))
      })
    }
  })

export const check = (given: CheckOptions) => Effect.flatMap(readDocument(given), (read) => report(read, given.pgbin))
