/**
 * How an apply ends: in the log one line per phase and one per failing object, then the report or the error.
 */
import * as Effect from "effect/Effect"
import type { UnplannableSpec } from "../../domain/catalog/plan/Draft.ts"
import type { ApplyReport, PhaseReport } from "../../domain/catalog/Report.ts"
import { configureStatementTimeouts } from "../../domain/observe/MetricFamilies.ts"
import type { Metrics } from "../observe/Metrics.ts"
import type { DataDirectoryFailed } from "../postgres/dataDirectory/DataDirectory.ts"
import type { SqlFailed } from "../sql/SqlFailed.ts"
import { type Failure, failureOf, type Journal } from "./apply/journal.ts"
import { ApplyFailed } from "./errors.ts"

const QUERY_CANCELED = "57014"

const count = (phase: PhaseReport, state: string) => phase.steps.filter((step) => step.state === state).length

const phaseLine = (phase: PhaseReport): string => {
  const parts = (["done", "failed", "pending"] as const).flatMap((state) => {
    const steps = count(phase, state)
    return steps === 0 ? [] : [`${steps} ${state}`]
  })
  return `catalog: ${phase.phase}: ${parts.join(", ")}${phase.duration_ms === null ? "" : ` in ${phase.duration_ms} ms`}`
}

/** The driver's text without its own prefix, as the original gives it for the cause. */
const bare = (message: string): string => message.replace(/^db error: /, "")

export const makeConclude = (metrics: Metrics["Service"]) => {
  const log = (report: ApplyReport, failures: ReadonlyArray<Failure>) =>
    Effect.gen(function* () {
      for (const phase of report.phases) yield* Effect.logInfo(phaseLine(phase))
      for (const { phase, object, error } of failures) {
        yield* Effect.logError(`catalog: ${object}: ${error.message}`).pipe(
          Effect.annotateLogs({ phase, sqlstate: error.sqlstate ?? "", hint: error.hint ?? "" })
        )
        if (error.sqlstate === QUERY_CANCELED) yield* metrics.increment(configureStatementTimeouts)
      }
    })

  const finished = (journal: Journal, failures: ReadonlyArray<Failure>) =>
    Effect.gen(function* () {
      const [first] = failures
      yield* journal.closed(first === undefined ? "done" : "failed", first?.error.message ?? null)
      const report = yield* journal.report
      yield* log(report, failures)
      if (first === undefined) return report
      const { error, object, phase } = first
      const state = error.sqlstate === null ? "" : `, SQLSTATE ${error.sqlstate}`
      const more = failures.length === 1 ? "" : `; ${failures.length - 1} more failed`
      return yield* new ApplyFailed({
        message: error.message,
        phase,
        object,
        sqlstate: error.sqlstate,
        hint: error.hint,
        failures: failures.map((failure) => failureOf(failure.error)),
        cause: new Error(`${bare(error.message)}\n(${object}, in phase "${phase}"${state}${more})`)
      })
    })

  /** It ended before it had a plan, or could not lift the size limit. */
  const broken = (journal: Journal, error: SqlFailed | UnplannableSpec | DataDirectoryFailed) =>
    Effect.gen(function* () {
      yield* journal.closed("failed", error.message)
      const sqlstate = error._tag === "SqlFailed" ? error.sqlstate : null
      return yield* new ApplyFailed({
        message: error.message,
        phase: null,
        object: null,
        sqlstate,
        hint: error._tag === "SqlFailed" ? error.hint : null,
        failures: error._tag === "SqlFailed" ? [failureOf(error)] : []
      })
    })

  return { finished, broken }
}
