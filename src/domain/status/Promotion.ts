/**
 * When a replica may be promoted, and the spec it goes on with.
 *
 * Source: `compute_tools/src/compute_promote.rs`.
 */
import { type ComputeSpec, modeName } from "../spec/ComputeSpec.ts"
import type { PrewarmState } from "./Operations.ts"

/** How often the replay position is asked for, one second apart. */
export const REPLAY_POLLS = 21

/** Why the compute cannot be promoted now; null when it can. */
export const refusal = (own: ComputeSpec, prewarm: PrewarmState, wanted: ComputeSpec): string | null => {
  if (own.mode !== "Replica") return `compute mode "${modeName(own.mode)}" is not replica`
  const later = laterRefusal(wanted)
  if (later !== null) return later
  if (prewarm.status === "not_prewarmed") return "compute NotPrewarmed"
  if (prewarm.status === "prewarming") return "compute Prewarming"
  return null
}

/** The same once Postgres has left its recovery, and only its configuration is to follow. */
export const laterRefusal = (wanted: ComputeSpec): string | null =>
  wanted.mode === "Primary" ? null : `new spec's compute mode "${modeName(wanted.mode)}" is not primary`

/** What `port=` says in a configuration text, the name right before the first `=` of its line; the last one counts. */
const portOf = (text: string | null): string | null =>
  (text ?? "").split("\n").reduce<string | null>((port, line) => {
    const equals = line.indexOf("=")
    return equals >= 0 && line.slice(0, equals).trim() === "port" ? line.slice(equals + 1).trim() : port
  }, null)

/**
 * A local control plane runs several computes on one host, each with its port in the text of its configuration: a
 * promoted compute keeps the one it listens on, which its Postgres could not change without a restart anyway.
 */
export const keepPort = (own: ComputeSpec, wanted: ComputeSpec): ComputeSpec => {
  const port = portOf(own.cluster.postgresql_conf)
  const text = wanted.cluster.postgresql_conf
  if (port === null || text === null || portOf(text) === port) return wanted
  return { ...wanted, cluster: { ...wanted.cluster, postgresql_conf: `${text}\nport=${port}` } }
}
