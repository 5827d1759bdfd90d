/**
 * What an apply did, object by object: the answer of `GET /apply`.
 */
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
  readonly state: "pending" | "done" | "failed"
  /** Statements that shared a transaction share its duration. */
  readonly duration_ms: number | null
  readonly error: StepFailure | null
}

export interface PhaseReport {
  readonly phase: string
  readonly state: "pending" | "running" | "done" | "failed"
  readonly duration_ms: number | null
  readonly steps: ReadonlyArray<StepReport>
}

export interface ApplyReport {
  readonly trigger: "start" | "reconfigure"
  readonly state: "running" | "done" | "failed" | "interrupted"
  /** RFC 3339. */
  readonly started_at: string
  readonly duration_ms: number | null
  /** Databases that needed no look, because this process has left them right since the server started. */
  readonly databases_settled: number
  readonly databases_visited: number
  readonly phases: ReadonlyArray<PhaseReport>
  readonly warnings: ReadonlyArray<string>
  readonly error: string | null
}
