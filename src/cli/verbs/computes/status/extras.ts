/**
 * What `/status/detail` does not say and other routes of the same compute do. Each is left out where it is not to be had:
 * by the original, or while Postgres does not answer.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { decodeJson } from "../../../../domain/json/decode/Decode.ts"
import { samplesOf, total } from "../../../../domain/observe/Samples.ts"
import { ActivityReport, describeReason } from "../../../../domain/status/Activity.ts"
import { Ready } from "../../../../domain/status/Ready.ts"
import type { Target } from "../../../../http/client.ts"
import { duration } from "../../../terminal/duration.ts"
import { ask } from "../ask.ts"

export interface Extras {
  readonly build: string | null
  /** Milliseconds for which Postgres has not answered; null while it answers. */
  readonly downtime: number | null
  /** Null on a primary. */
  readonly standby: Ready["standby"]
  /** Why it counts as used, or that it does not. */
  readonly activity: string | null
}

export const none: Extras = { build: null, downtime: null, standby: null, activity: null }

const describeActivity = ({ active, active_since, checked_at, reasons }: ActivityReport): string => {
  if (active === null) return "not known"
  if (!active) return "no"
  const since =
    active_since === null || checked_at === null
      ? "now"
      : `for ${duration(Date.parse(checked_at) - Date.parse(active_since))}`
  return `${since}: ${reasons.map((reason) => describeReason({ ...reason, since: null })).join("; ")}`
}

/** A compute that is slow to answer these is shown without them. */
const PATIENCE = "2 seconds"

export const extras = (target: Target): Effect.Effect<Extras> =>
  Effect.gen(function* () {
    const asked = (path: string) => Effect.option(ask(target, path, { limit: PATIENCE }))
    const [metrics, ready, activity] = yield* Effect.all([asked("/metrics"), asked("/readyz"), asked("/activity")], {
      concurrency: "unbounded"
    })
    const samples = samplesOf(Option.getOrElse(metrics, () => ""))
    const downtime = total(samples, "compute_pg_current_downtime_ms")
    return {
      build: samples.find(({ name }) => name === "compute_ctl_up")?.labels["build_tag"] ?? null,
      downtime: downtime === null || downtime === 0 ? null : downtime,
      standby: Option.match(ready, {
        onNone: () => null,
        onSome: (json) => Result.getOrUndefined(decodeJson(Ready, json))?.standby ?? null
      }),
      activity: Option.match(activity, {
        onNone: () => null,
        onSome: (json) =>
          Result.match(decodeJson(ActivityReport, json), { onFailure: () => null, onSuccess: describeActivity })
      })
    }
  })
