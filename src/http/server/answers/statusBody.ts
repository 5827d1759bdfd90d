import type { State } from "../../../layers/compute/ComputeState.ts"

/**
 * What `/status` and `/configure` answer; the order of the members is the wire's.
 *
 * Source: `libs/compute_api/src/responses.rs` (`ComputeStatusResponse`).
 */
export const statusBody = ({ error, lastActive, spec, startTime, status }: State) => ({
  start_time: startTime,
  tenant: spec?.tenantId ?? null,
  timeline: spec?.timelineId ?? null,
  status,
  last_active: lastActive,
  error
})
