/**
 * How an apply ends: in the log one line per phase and one per failing object or database, then the report or the error.
 */
import * as Effect from "effect/Effect"
import type { UnplannableSpec } from "../../domain/catalog/plan/Draft.ts"
import { named } from "../../domain/catalog/plan/Step.ts"
import type { ApplyReport, FailedDatabase, PhaseReport } from "../../domain/catalog/Report.ts"
import { configureStatementTimeouts } from "../../domain/observe/MetricFamilies.ts"
import type { Metrics } from "../observe/Metrics.ts"
import type { DataDirectoryFailed } from "../postgres/dataDirectory/DataDirectory.ts"
import type { SqlFailed } from "../sql/errors.ts"
import type { Applied } from "./apply/apply.ts"
import { type Failure, failureOf, type Journal } from "./apply/journal/journal.ts"
import { ApplyFailed } from "./errors.ts"

const QUERY_CANCELED = "57014"

const count = (phase: PhaseReport, state: string) => phase.steps.filter((step) => step.state === state).length

const phaseLine = (phase: PhaseReport): string => {
  const parts = (["done", "failed", "skipped"] as const).flatMap((state) => {
    const steps = count(phase, state)
    return steps === 0 ? [] : [`${steps} ${state}`]
  })
  return `catalog: ${phase.phase}: ${parts.join(", ")}${phase.duration_ms === null ? "" : ` in ${phase.duration_ms} ms`}`
}

/** The driver's text without its own prefix, as the original gives it for the cause. */
const bare = (message: string): string => message.replace(/^db error: /, "")

const failedDatabase = ({ phase, object, database, error }: Failure): FailedDatabase => ({
  database,
  object,
  phase,
  error: failureOf(error)
})

const shutDatabase = (database: string): FailedDatabase => ({
  database,
  object: named("database", database),
  phase: "databases",
  error: { sqlstate: "55000", message: "it does not accept connections", detail: null, hint: null }
})

/** One of each database: what went wrong first in it. */
const firstOfEach = (failures: ReadonlyArray<FailedDatabase>): ReadonlyArray<FailedDatabase> => {
  const seen = new Set<string>()
  return failures.filter(({ database }) => {
    if (database === null) return true
    const isFirst = !seen.has(database)
    seen.add(database)
    return isFirst
  })
}

/** Where nobody but a lakebase instance is watched for it, a statement that ran out of time is one error as any other. */
export const makeConclude = (metrics: Metrics["Service"], lakebase: boolean) => {
  const complain = (database: string | null, object: string, phase: string, error: FailedDatabase["error"]) => {
    const where = database === null || object === named("database", database) ? "" : `${named("database", database)}: `
    return Effect.logError(`catalog: ${where}${object}: ${error.message}`).pipe(
      Effect.annotateLogs({ phase, sqlstate: error.sqlstate ?? "", hint: error.hint ?? "" })
    )
  }

  const log = Effect.fnUntraced(function* (
    report: ApplyReport,
    fatal: ReadonlyArray<Failure>,
    failures: ReadonlyArray<Failure>
  ) {
    for (const phase of report.phases) yield* Effect.logInfo(phaseLine(phase))
    for (const { phase, object, error } of fatal) yield* complain(null, object, phase, failureOf(error))
    for (const { database, object, phase, error } of firstOfEach(report.failed_databases)) {
      yield* complain(database, object, phase, error)
    }
    const timeouts = failures.filter(({ error }) => error.sqlstate === QUERY_CANCELED).length
    if (lakebase && timeouts > 0) yield* metrics.increment(configureStatementTimeouts, {}, timeouts)
  })

  /** `forgiving`: what tenants have put in the way is told, and fails nothing. */
  const finished = Effect.fnUntraced(function* (
    journal: Journal,
    { failures, shut, subscriptionsPending }: Applied,
    forgiving: boolean
  ) {
    const alone = failures.filter((failure) => failure.alone)
    const others = failures.filter((failure) => !failure.alone)
    const [first] = forgiving ? others : failures
    const told = first ?? failures[0]
    yield* journal.closed(told === undefined ? "done" : "failed", told?.error.message ?? null, {
      failed_databases: firstOfEach([...alone.map(failedDatabase), ...shut.map(shutDatabase)]),
      subscriptions_pending: subscriptionsPending
    })
    const report = yield* journal.report
    yield* log(report, others, failures)
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
      subscriptionsPending,
      cause: new Error(`${bare(error.message)}\n(${object}, in phase "${phase}"${state}${more})`)
    })
  })

  /** It ended before it had a plan, or could not lift the size limit. */
  const broken = Effect.fnUntraced(function* (
    journal: Journal,
    error: SqlFailed | UnplannableSpec | DataDirectoryFailed
  ) {
    yield* journal.closed("failed", error.message)
    const sqlstate = error._tag === "SqlFailed" ? error.sqlstate : null
    return yield* new ApplyFailed({
      message: error.message,
      phase: null,
      object: null,
      sqlstate,
      hint: error._tag === "SqlFailed" ? error.hint : null,
      failures: error._tag === "SqlFailed" ? [failureOf(error)] : [],
      subscriptionsPending: true
    })
  })

  return { finished, broken }
}
