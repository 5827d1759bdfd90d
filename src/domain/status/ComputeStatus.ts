/**
 * The state machine of a compute, as data. `README.md` prints its picture from `edges`.
 *
 * Source: `libs/compute_api/src/responses.rs` (`ComputeStatus`) and the places in `compute_tools` that set it.
 */
import * as Schema from "effect/Schema"

// Pure: the console, which takes the table alone, leaves it out.
export const ComputeStatus = /* @__PURE__ */ Schema.Literals([
  "empty",
  "configuration_pending",
  "init",
  "running",
  "configuration",
  "failed",
  "termination_pending_fast",
  "termination_pending_immediate",
  "terminated",
  "refresh_configuration_pending",
  "refresh_configuration"
])
export type ComputeStatus = typeof ComputeStatus.Type

/** Why a status changes. */
export type Cause =
  | "spec at start"
  | "configure"
  | "certificate changed"
  | "spec received"
  | "started"
  | "start failed"
  | "reconfiguration begins"
  | "reconfigured"
  | "reconfiguration failed"
  | "refresh requested"
  | "refresh begins"
  | "nothing to refresh"
  | "refresh failed"
  | "terminate fast"
  | "terminate immediate"
  | "shut down"

export interface Edge {
  readonly from: ComputeStatus
  readonly to: ComputeStatus
  readonly cause: Cause
  /** Only while this process has a running postmaster: a failed start is on its way out, a failed reconfiguration is not. */
  readonly needsPostgres?: true
}

const terminations = (from: ComputeStatus, needsPostgres?: true): ReadonlyArray<Edge> => [
  { from, to: "termination_pending_fast", cause: "terminate fast", ...(needsPostgres && { needsPostgres }) },
  { from, to: "termination_pending_immediate", cause: "terminate immediate", ...(needsPostgres && { needsPostgres }) }
]

export const edges: ReadonlyArray<Edge> = [
  { from: "empty", to: "init", cause: "spec at start" },
  { from: "empty", to: "configuration_pending", cause: "configure" },
  ...terminations("empty"),
  { from: "configuration_pending", to: "init", cause: "spec received" },
  { from: "configuration_pending", to: "configuration", cause: "reconfiguration begins", needsPostgres: true },
  ...terminations("configuration_pending"),
  { from: "init", to: "running", cause: "started" },
  { from: "init", to: "failed", cause: "start failed" },
  ...terminations("init"),
  { from: "running", to: "configuration_pending", cause: "configure" },
  { from: "running", to: "configuration_pending", cause: "certificate changed" },
  { from: "running", to: "refresh_configuration_pending", cause: "refresh requested" },
  ...terminations("running"),
  { from: "configuration", to: "running", cause: "reconfigured" },
  { from: "configuration", to: "failed", cause: "reconfiguration failed" },
  ...terminations("configuration"),
  { from: "failed", to: "configuration_pending", cause: "configure", needsPostgres: true },
  { from: "failed", to: "refresh_configuration_pending", cause: "refresh requested" },
  ...terminations("failed", true),
  { from: "refresh_configuration_pending", to: "refresh_configuration_pending", cause: "refresh requested" },
  { from: "refresh_configuration_pending", to: "refresh_configuration", cause: "refresh begins" },
  ...terminations("refresh_configuration_pending"),
  { from: "refresh_configuration", to: "running", cause: "nothing to refresh" },
  { from: "refresh_configuration", to: "running", cause: "reconfigured" },
  { from: "refresh_configuration", to: "refresh_configuration_pending", cause: "refresh failed" },
  ...terminations("refresh_configuration"),
  { from: "termination_pending_fast", to: "terminated", cause: "shut down" },
  { from: "termination_pending_immediate", to: "terminated", cause: "shut down" }
]

/** Where `cause` leads from `from`, if it may happen there. */
export const next = (from: ComputeStatus, cause: Cause, postgresRuns: boolean): ComputeStatus | undefined =>
  edges.find((edge) => edge.from === from && edge.cause === cause && (!edge.needsPostgres || postgresRuns))?.to

/** The form of logs, metric labels and error texts. */
export const kebab = (status: ComputeStatus): string => status.replaceAll("_", "-")

/** The form of the errors of `/refresh_configuration`. */
export const camel = (status: ComputeStatus): string =>
  status.replace(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase())

export const isTerminating = (status: ComputeStatus): boolean =>
  status === "termination_pending_fast" || status === "termination_pending_immediate" || status === "terminated"

export type TerminateMode = "fast" | "immediate"
