/**
 * What an apply did, object by object: the answer of `GET /apply`.
 */
import type { Blocker } from "./Blocker.ts"

export interface StepFailure {
  readonly sqlstate: string | null
  readonly message: string
  readonly detail: string | null
  readonly hint: string | null
}

export interface StepReport {
  readonly object: string
  readonly reason: string
  readonly database: string | null
  /** Without secrets. */
  readonly sql: string
  readonly state: "pending" | "done" | "failed" | "skipped"
  /** Statements that shared a transaction share its duration. */
  readonly duration_ms: number | null
  readonly error: StepFailure | null
  /** Why it was skipped; null in any other state. */
  readonly because: string | null
  /** Who holds the lock that it waits for, or failed to get. */
  readonly blocked_by: ReadonlyArray<Blocker>
}

export interface PhaseReport {
  readonly phase: string
  readonly state: "pending" | "running" | "done" | "failed" | "skipped"
  readonly duration_ms: number | null
  readonly steps: ReadonlyArray<StepReport>
}

/** Work inside one database, or on what a tenant holds, that could not be done; the next apply tries it again. */
export interface FailedDatabase {
  /** Null: an object of the whole cluster. */
  readonly database: string | null
  readonly object: string
  readonly phase: string
  readonly error: StepFailure
}

export interface ApplyReport {
  readonly trigger: "start" | "reconfigure"
  /** `failed` also when all that failed is `failed_databases`, which does not stop a start. */
  readonly state: "running" | "done" | "failed" | "interrupted"
  /** RFC 3339. */
  readonly started_at: string
  readonly duration_ms: number | null
  /** Databases that this process had left right since the server started, and that a look found so still. */
  readonly databases_settled: number
  readonly databases_visited: number
  readonly failed_databases: ReadonlyArray<FailedDatabase>
  /** Inherited subscriptions are still to be dropped in some database. */
  readonly subscriptions_pending: boolean
  readonly phases: ReadonlyArray<PhaseReport>
  readonly warnings: ReadonlyArray<string>
  readonly error: string | null
}
