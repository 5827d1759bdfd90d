/**
 * Whether a compute may be stopped because nobody uses it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type ActivityReport, describeReason } from "../../domain/status/Activity.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { Monitor } from "../../layers/observe/Monitor.ts"

/**
 * What speaks against stopping, in words and as the report has it; an empty list when the compute has been idle for
 * `seconds`. A compute that never saw a user has been idle since its start. One that cannot be asked counts as busy, and
 * one that has no Postgres yet as idle.
 */
export const reasonsAgainstStopping = (
  seconds: number
): Effect.Effect<
  { readonly reasons: ReadonlyArray<string>; readonly activity: ActivityReport },
  never,
  Monitor | ComputeState
> =>
  Effect.gen(function* () {
    const monitor = yield* Monitor
    const state = yield* (yield* ComputeState).get
    if (state.status === "empty") return { reasons: [], activity: yield* monitor.activity }
    const activity = yield* monitor.fresh
    if (!state.postgresRuns || activity.monitor !== "watching") {
      return { reasons: ["Postgres could not be asked whether it is idle"], activity }
    }
    if (activity.reasons.length > 0) return { reasons: activity.reasons.map(describeReason), activity }
    const now = yield* Clock.currentTimeMillis
    const { activeAt, startedAt } = yield* (yield* ComputeState).get
    const idle = (now - (activity.last_active === null ? startedAt : (activeAt ?? startedAt))) / 1000
    return { reasons: idle >= seconds ? [] : [`idle for ${Math.max(0, Math.floor(idle))} s only`], activity }
  })
