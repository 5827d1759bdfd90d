/**
 * How many databases are worked on at once while a compute starts.
 *
 * Source: `compute_tools/src/compute.rs` (`max_service_connections`), `libs/compute_api/src/spec.rs`.
 */
import { type ComputeSpec, findSetting } from "./ComputeSpec.ts"

/** `max_connections` of the settings, else of the last such line of `postgresql_conf`; null when neither says a number. */
export const maxConnections = (spec: ComputeSpec): number | null => {
  const setting = findSetting(spec.cluster.settings, "max_connections")
  const lines = (spec.cluster.postgresql_conf ?? "").matchAll(/^[ \t]*max_connections[ \t]*=[ \t]*'?(\d+)/gm)
  const text = setting ?? [...lines].at(-1)?.[1]
  return text === undefined || !/^\d+$/.test(text) ? null : Number(text)
}

/** Nobody else is connected before the start is over, but a small compute must not run out of connections. */
export const startConcurrency = (spec: ComputeSpec): number => {
  const limit = maxConnections(spec)
  if (limit === null) return 10
  if (limit < 10) return Math.max(limit, 1)
  if (limit < 30) return 10
  return limit < 300 ? Math.floor(limit / 3) : 100
}

/** The spec's own limit; zero would wait for ever. */
export const reconfigureConcurrency = (spec: ComputeSpec): number => Math.max(spec.reconfigure_concurrency, 1)
