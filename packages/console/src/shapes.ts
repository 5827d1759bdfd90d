/**
 * The answers that the page reads, as the API describes them. Types only: nothing of the program comes into the page.
 */
import type { PlanReport } from "../../../src/domain/catalog/plan/PlanReport.ts"
import type { ApplyReport, PhaseReport } from "../../../src/domain/catalog/Report.ts"
import type { Sample } from "../../../src/domain/observe/Samples.ts"
import type { OffloadState, PrewarmState } from "../../../src/http/api/lfc.ts"
import type { HistoryReport, StartupMetrics } from "../../../src/http/api/lifecycle.ts"
import type { Ready as ReadySchema } from "../../../src/http/api/probes.ts"
import type { Activity as ActivitySchema } from "../../../src/http/api/shapes/Activity.ts"
import type { StatusDetail } from "../../../src/http/api/shapes/StatusDetail.ts"

export type { PhaseReport, PlanReport, StatusDetail }
export type Activity = typeof ActivitySchema.Type
export type History = typeof HistoryReport.Type
export type Startup = typeof StartupMetrics.Type
export type Prewarm = typeof PrewarmState.Type
export type Offload = typeof OffloadState.Type
export type Ready = typeof ReadySchema.Type

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
  readonly metrics: ReadonlyArray<Sample>
}
