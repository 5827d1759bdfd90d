/**
 * What is different when the compute is an instance of a lakebase.
 *
 * Source: `compute_tools/src/bin/compute_ctl.rs`, `compute_tools/src/compute.rs`, `compute_tools/src/metrics.rs`.
 */
import type { ParsedSpec } from "./ParsedSpec.ts"

export interface Instance {
  readonly lakebaseMode: boolean
  readonly computeId: string
  /** `INSTANCE_ID`. */
  readonly instanceId: string | null
}

/** Labels of the gauge that says whose tenant this instance serves; null when it has none to show. */
export const attachedLabels = (instance: Instance, spec: ParsedSpec | null): Readonly<Record<string, string>> | null =>
  instance.lakebaseMode && instance.instanceId !== null && spec !== null
    ? {
        pg_compute_id: instance.computeId,
        pg_instance_id: instance.instanceId,
        tenant_id: spec.tenantId,
        timeline_id: spec.timelineId
      }
    : null

export interface LivenessTarget {
  readonly port: number
  readonly user: string
  readonly database: string
}

/** Whom a liveness probe asks for; null when the connection string names no port. */
export const livenessTarget = (connstr: string): LivenessTarget | null => {
  const parts = /^[a-z]+:\/\/(?:([^:@/?]*)(?::[^@/?]*)?@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/i.exec(connstr)
  const text = (part: string | undefined) => decodeURIComponent(part ?? "")
  const port = /(?:^|&)port=(\d+)/.exec(parts?.[4] ?? "")?.[1] ?? /:(\d+)$/.exec(parts?.[2] ?? "")?.[1]
  if (port === undefined) return null
  const user = text(parts?.[1]) || "postgres"
  return { port: Number(port), user, database: text(parts?.[3]) || user }
}
