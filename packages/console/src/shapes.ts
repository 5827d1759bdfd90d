/**
 * The answers that the page reads, as the API describes them. Types only: nothing of the program comes into the page.
 */
import type { PlanReport } from "../../../src/domain/catalog/plan/PlanReport.ts"
import type { ApplyReport, PhaseReport } from "../../../src/domain/catalog/Report.ts"
import type { Sample } from "../../../src/domain/observe/Samples.ts"
import type { FactsReport } from "../../../src/domain/postgres/Facts.ts"
import type { ActivityReport } from "../../../src/domain/status/Activity.ts"
import type { OffloadState, PrewarmState } from "../../../src/domain/status/Operations.ts"
import type { Ready } from "../../../src/domain/status/Ready.ts"
import type { StartupMetrics } from "../../../src/domain/status/StartupMetrics.ts"
import type { HistoryReport } from "../../../src/http/api/lifecycle.ts"
import type { StatusDetail } from "../../../src/http/api/shapes/StatusDetail.ts"

export type { PhaseReport, PlanReport, Ready, StatusDetail }
export type Activity = ActivityReport
export type History = typeof HistoryReport.Type
export type Startup = StartupMetrics
export type Prewarm = PrewarmState
export type Offload = OffloadState
export type Postgres = FactsReport

export interface Reconfiguration {
  readonly operation: string | null
  readonly duration_ms: number
  readonly pending_restart: ReadonlyArray<string>
  readonly error: string | null
}

/** Members of the apply are there only when there was one. */
export type Apply = Partial<ApplyReport> & { readonly reconfiguration?: Reconfiguration | null }

/** All that is known of the compute at one time; what could not be had is null. */
export interface Known {
  readonly detail: StatusDetail
  readonly apply: Apply | null
  readonly activity: Activity | null
  readonly startup: Startup | null
  readonly prewarm: Prewarm | null
  readonly offload: Offload | null
  readonly history: History | null
  /** Null: Postgres does not accept connections. */
  readonly ready: Ready | null
  /** What Postgres says of itself; null while it does not run. */
  readonly postgres: Postgres | null
  readonly metrics: ReadonlyArray<Sample>
}
