/**
 * What an apply did, object by object: the answer of `GET /apply`.
 */
import * as Schema from "effect/Schema"
import { Blocker } from "./Blocker.ts"

const text = Schema.NullOr(Schema.String)
const millis = Schema.NullOr(Schema.Finite)

export const StepFailure = Schema.Struct({
  sqlstate: text,
  message: Schema.String,
  detail: text,
  hint: text
}).annotate({ identifier: "StepFailure" })
export type StepFailure = typeof StepFailure.Type

export const StepReport = Schema.Struct({
  object: Schema.String,
  reason: Schema.String,
  /** Null: the system database. */
  database: text,
  /** Without secrets. */
  sql: Schema.String,
  state: Schema.Literals(["pending", "done", "failed", "skipped"]),
  /** Statements that shared a transaction share its duration. */
  duration_ms: millis,
  error: Schema.NullOr(StepFailure),
  /** Why it was skipped; null in any other state. */
  because: text,
  /** Who holds the lock that it waits for, or failed to get. */
  blocked_by: Schema.Array(Blocker)
}).annotate({ identifier: "Step" })
export type StepReport = typeof StepReport.Type

export const PhaseReport = Schema.Struct({
  phase: Schema.String,
  state: Schema.Literals(["pending", "running", "done", "failed", "skipped"]),
  duration_ms: millis,
  steps: Schema.Array(StepReport)
}).annotate({ identifier: "Phase" })
export type PhaseReport = typeof PhaseReport.Type

/** Work inside one database, or on what a tenant holds, that could not be done; the next apply tries it again. */
export const FailedDatabase = Schema.Struct({
  /** Null: an object of the whole cluster. */
  database: text,
  object: Schema.String,
  phase: Schema.String,
  error: StepFailure
}).annotate({ identifier: "FailedWork" })
export type FailedDatabase = typeof FailedDatabase.Type

export const ApplyReport = Schema.Struct({
  trigger: Schema.Literals(["start", "reconfigure"]),
  /** `failed` also when all that failed is `failed_databases`, which does not stop a start. */
  state: Schema.Literals(["running", "done", "failed", "interrupted"]),
  /** RFC 3339. */
  started_at: Schema.String,
  duration_ms: millis,
  /** Databases that this process had left right since the server started, and that a look found so still. */
  databases_settled: Schema.Finite,
  databases_visited: Schema.Finite,
  failed_databases: Schema.Array(FailedDatabase),
  /** Inherited subscriptions are still to be dropped in some database. */
  subscriptions_pending: Schema.Boolean,
  phases: Schema.Array(PhaseReport),
  warnings: Schema.Array(Schema.String),
  error: text
})
export type ApplyReport = typeof ApplyReport.Type
