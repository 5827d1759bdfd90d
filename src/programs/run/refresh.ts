/**
 * Postgres suspects that its pageservers have moved: the configuration is fetched again, and applied if they have.
 *
 * Source: `compute_tools/src/http/routes/refresh_configuration.rs`, `compute_tools/src/configurator.rs`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { pagestreamErrors } from "../../domain/observe/MetricFamilies.ts"
import { equivalence } from "../../domain/spec/PageserverConnectionInfo.ts"
import { parseSteps } from "../../domain/spec/ParsedSpec.ts"
import { type ComputeStatus, camel } from "../../domain/status/ComputeStatus.ts"
import { ComputeState, InvalidStatus } from "../../layers/compute/ComputeState.ts"
import { resultInSlices } from "../../layers/compute/clock/Slices.ts"
import { tell } from "../../layers/compute/History.ts"
import { StopRequests } from "../../layers/compute/stop/StopRequests.ts"
import { Waits } from "../../layers/compute/Waits.ts"
import { SpecSource } from "../../layers/controlPlane/SpecSource.ts"
import { Metrics } from "../../layers/observe/Metrics.ts"
import { failureText } from "./errors.ts"
import { Reconfiguration } from "./reconfigure.ts"

/** Longer than the control plane's own deadline with its retries. */
const FETCH_LIMIT = "60 seconds"

/** Postgres takes 500 as "not now": after a minute of it, it cancels its query, which may be what we wait for. */
export class RefreshRefused extends Data.TaggedError("RefreshRefused")<{ readonly status: ComputeStatus }> {
  override get message() {
    return `Cannot refresh compute configuration in state ${camel(this.status)}`
  }
}

/** A nudge: it is counted and noted, the configurator does the rest. While the compute starts it is accepted for nothing. */
export const requestRefresh = Effect.gen(function* () {
  const state = yield* ComputeState
  const metrics = yield* Metrics
  yield* metrics.increment(pagestreamErrors)
  const { status } = yield* state.get
  if (status === "init") return
  yield* Effect.mapError(state.transition("refresh requested"), (error) => new RefreshRefused({ status: error.status }))
})

/** Somebody wants to know now: unlike a nudge of Postgres', it is refused where nobody would look at it. */
export const askForRefresh = Effect.gen(function* () {
  const state = yield* ComputeState
  const { postgresRuns, status } = yield* state.get
  if (!postgresRuns) return yield* new InvalidStatus({ status })
  yield* state.transition("refresh requested")
})

export type Refreshed = "unchanged" | "reconfigured" | "detached"

export class Refresh extends Context.Service<
  Refresh,
  {
    /** Fetches, compares and, when the pageservers are others, reconfigures. */
    readonly run: Effect.Effect<Refreshed, Error>
  }
>()("compute/Refresh") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

function* make() {
  const source = yield* SpecSource
  const state = yield* ComputeState
  const stops = yield* StopRequests
  const waits = yield* Waits
  const reconfiguration = yield* Reconfiguration
  /** A spec was adopted and could not be applied: the next one counts as changed even if it is the same. */
  const owed = yield* Ref.make(false)

  const run = Effect.gen(function* () {
    const config = yield* waits.within("configuration to be fetched", FETCH_LIMIT)(source.refetch)
    if (config.spec === null) {
      yield* Effect.logWarning("the compute has been detached: no spec in its configuration, stopping")
      yield* stops.request({ _tag: "Detached" })
      return "detached" as const
    }
    const fetched = yield* resultInSlices(parseSteps(config.spec))
    const { spec } = yield* state.get
    if (spec !== null && equivalence(spec.pageserver, fetched.pageserver) && !(yield* Ref.get(owed))) {
      yield* Effect.logInfo("nothing to refresh: the pageservers are the same")
      return "unchanged" as const
    }
    yield* Ref.set(owed, true)
    yield* state.update(() => ({ spec: fetched }))
    const { applied } = yield* reconfiguration.run({ forgiving: true })
    // Over a setting that it does not know Postgres leaves everything as it was, the pageservers too.
    yield* Ref.set(owed, !applied)
    return "reconfigured" as const
  }).pipe(Effect.withSpan("refresh configuration"))

  return Refresh.of({
    run: Effect.onExit(run, (exit) =>
      tell(
        Exit.isSuccess(exit)
          ? { kind: "refresh", outcome: exit.value, error: null }
          : { kind: "refresh", outcome: "failed", error: failureText(exit.cause) }
      )
    )
  })
}
