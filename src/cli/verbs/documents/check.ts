/**
 * `compute_ctl check`: whether a configuration could be run, and what it would run.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  type Checked,
  check as checkDocument,
  ignored,
  summary,
  unreadable,
  warnings
} from "../../../domain/conf/Check.ts"
import type { Fault } from "../../../domain/conf/Fault.ts"
import { whyNotServed } from "../../../domain/postgres/Majors.ts"
import { Children } from "../../../layers/machine/child/Children.ts"
import { refusedBy } from "../../../programs/start/refusedBy.ts"
import { UsageError } from "../../flags.ts"
import { complain, print } from "../../output.ts"
import { harmless } from "../../terminal/harmless.ts"
import { type DocumentOptions, faultLine, type ReadDocument, readDocument } from "./document.ts"

export interface CheckOptions extends DocumentOptions {
  /** The server that is asked what it would refuse. */
  readonly pgbin: string | null
  readonly json: boolean
}

interface Verdict {
  readonly faults: ReadonlyArray<Fault>
  readonly warnings: ReadonlyArray<Fault>
  /** Name and value, a line each; empty when it could not be run. */
  readonly summary: ReadonlyArray<readonly [string, string]>
}

const cannotAsk =
  (pgbin: string) =>
  ({ message }: { readonly message: string }) =>
    new UsageError({ message: `cannot ask ${pgbin}: ${message}` })

const LIMIT = "20 seconds"

const whyUnserved = (pgbin: string) =>
  Effect.flatMap(Children, (children) => children.run(pgbin, { args: ["--version"], timeout: LIMIT })).pipe(
    Effect.map(({ stdout }) => whyNotServed(pgbin, stdout)),
    Effect.provide(Children.layer)
  )

/** What keeps it from being run, once it can be read. */
const faultsOf = (checked: Checked, { context }: ReadDocument, pgbin: string | null) =>
  Effect.gen(function* () {
    const fault = unreadable(checked)
    if (fault !== null) return [fault]
    if (pgbin === null) return []
    const unserved = yield* Effect.mapError(whyUnserved(pgbin), cannotAsk(pgbin))
    if (unserved !== null) return [{ path: "", message: unserved }]
    return yield* refusedBy(checked, pgbin, { ...context, tls: false }).pipe(
      Effect.provide(Children.layer),
      Effect.mapError(cannotAsk(pgbin))
    )
  })

const judge = (read: ReadDocument, pgbin: string | null): Effect.Effect<Verdict, UsageError> => {
  const unread = ignored(read.document, read.text)
  return Result.match(checkDocument(read.document, read.text, { ...read.context, tls: false }), {
    onFailure: (faults) => Effect.succeed({ faults, warnings: unread, summary: [] }),
    onSuccess: (checked) =>
      Effect.map(faultsOf(checked, read, pgbin), (faults) => ({
        faults,
        warnings: [...unread, ...warnings(checked)],
        summary: faults.length === 0 ? summary(checked) : []
      }))
  })
}

const asText = (file: string, { faults, summary, warnings }: Verdict): Effect.Effect<void> => {
  const said = [
    ...warnings.map((warning) => `warning: ${faultLine(file, warning)}`),
    ...faults.map((fault) => faultLine(file, fault))
  ]
  const width = Math.max(0, ...summary.map(([name]) => name.length))
  const lines = summary.map(([name, value]) => `${name.padEnd(width)}  ${value}`)
  return Effect.andThen(
    said.length === 0 ? Effect.void : complain(said.join("\n")),
    lines.length === 0 ? Effect.void : print(harmless(lines.join("\n")))
  )
}

const asJson = (file: string, { faults, summary, warnings }: Verdict): Effect.Effect<void> =>
  print(
    JSON.stringify({ file, ok: faults.length === 0, faults, warnings, summary: Object.fromEntries(summary) }, null, 2)
  )

export const check = Effect.fnUntraced(function* (given: CheckOptions) {
  const read = yield* readDocument(given)
  const verdict = yield* judge(read, given.pgbin)
  yield* (given.json ? asJson : asText)(read.file, verdict)
  return verdict.faults.length === 0 ? 0 : 1
})
