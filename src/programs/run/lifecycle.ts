/**
 * The life of a compute: wait for a spec, start, serve, stop. It ends with the exit code.
 *
 * Source: `compute_tools/src/compute.rs` (`run`), `compute_tools/src/bin/compute_ctl.rs`.
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { excerpt } from "../../domain/json/Excerpt.ts"
import * as ErrorChain from "../../domain/observe/ErrorChain.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { wallMillisUnsafe } from "../../layers/compute/clock/WallClock.ts"
import { type StopReason, StopRequests } from "../../layers/compute/stop/StopRequests.ts"
import { Waits } from "../../layers/compute/Waits.ts"
import type { Ended } from "../../layers/machine/child/Children.ts"
import { underRequest } from "../../layers/observe/trace/Telemetry.ts"
import { Postmaster, type RunningPostgres } from "../../layers/postgres/Postmaster.ts"
import { signLog } from "../start/lakebase.ts"
import { beforePostgres, whenRunning } from "../start/services.ts"
import { start } from "../start/start.ts"
import { connectToStorage } from "../start/storage.ts"
import {
  afterCancelledStart,
  afterEmpty,
  afterFailedStart,
  afterPostgres,
  stopNeighbours,
  stopPostgres
} from "../stop/shutdown.ts"

/** How the part of the life that just ran was left. */
type Left<A> =
  | { readonly _tag: "Done"; readonly value: A }
  | { readonly _tag: "Failed"; readonly error: Error }
  | { readonly _tag: "Asked"; readonly reason: StopReason }

/** Runs `effect` until it is done or somebody asks to stop, which interrupts it and waits for its end. */
const untilAsked = <A, E extends Error, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Left<A>, never, R | StopRequests> =>
  Effect.gen(function* () {
    const stops = yield* StopRequests
    const done = effect.pipe(
      Effect.map((value): Left<A> => ({ _tag: "Done", value })),
      Effect.catchCause((cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
        const squashed = Cause.squash(cause)
        const error = squashed instanceof Error ? squashed : new Error(String(squashed))
        return Effect.succeed<Left<A>>({ _tag: "Failed", error })
      }),
      Effect.orDie
    )
    return yield* Effect.raceFirst(
      done,
      Effect.map(stops.await, (reason): Left<A> => ({ _tag: "Asked", reason }))
    )
  })

const millis = (nanos: bigint): number => Number(nanos / 1_000_000n)

/** An empty compute waits here; the clock of its start begins anew when the spec comes. */
const awaitSpec = Effect.fnUntraced(function* (created: bigint) {
  const state = yield* ComputeState
  const waits = yield* Waits
  const clock = yield* Clock.Clock
  yield* Effect.logInfo("no compute spec provided, waiting")
  yield* waits.openEnded("a spec")(state.await(({ status }) => status === "configuration_pending"))
  yield* Effect.logInfo("got spec, continue configuration")
  const now = clock.currentTimeNanosUnsafe()
  const startTime = new Date(wallMillisUnsafe(clock)).toISOString()
  const startedAt = clock.currentTimeMillisUnsafe()
  const { spec } = yield* state.transition("spec received", ({ metrics }) => ({
    startTime,
    startedAt,
    metrics: { ...metrics, wait_for_spec_ms: millis(now - created) }
  }))
  if (spec === null) return yield* Effect.die(new Error("a configuration is pending without a spec"))
  return { spec, begun: now }
})

const recordFailure = Effect.fnUntraced(function* (error: Error) {
  const state = yield* ComputeState
  const chain = ErrorChain.messages(error)
  yield* Effect.logError(`could not start the compute node: ${ErrorChain.line(chain)}`)
  yield* Effect.ignore(
    state.transition("start failed", () => ({ error: ErrorChain.paragraph(chain) })),
    { log: true }
  )
})

const recordStarted = Effect.fnUntraced(function* (postgres: RunningPostgres, begun: bigint) {
  const state = yield* ComputeState
  const clock = yield* Clock.Clock
  const total_startup_ms = millis(clock.currentTimeNanosUnsafe() - begun)
  const { metrics } = yield* state.transition("started", (before) => ({
    metrics: { ...before.metrics, total_startup_ms }
  }))
  yield* Effect.logInfo("compute start finished").pipe(
    Effect.annotateLogs({ ...metrics, postmaster_pid: postgres.pid })
  )
})

/** Waits for Postgres to end by itself, or ends it when asked to. */
const untilEnded = (
  postgres: RunningPostgres
): Effect.Effect<Ended, never, Effect.Services<ReturnType<typeof stopPostgres>>> =>
  Effect.flatMap(untilAsked(postgres.ended), (left) =>
    left._tag === "Asked"
      ? stopPostgres(postgres, left.reason)
      : Effect.andThen(stopNeighbours(null), left._tag === "Done" ? Effect.succeed(left.value) : postgres.ended)
  )

const shown = (id: string | null): string => excerpt(id ?? "None")

const identify = ({ spec, tenantId, timelineId }: ParsedSpec) =>
  Effect.logInfo(
    `starting compute for project ${shown(spec.cluster.cluster_id)}, operation ${shown(spec.operation_uuid)}, ` +
      `tenant ${tenantId}, timeline ${timelineId}, project_id ${shown(spec.project_id)}, ` +
      `branch_id ${shown(spec.branch_id)}, endpoint_id ${shown(spec.endpoint_id)}`
  )

const serve = Effect.fnUntraced(function* (spec: ParsedSpec, begun: bigint, listening: Effect.Effect<void>) {
  const scope = yield* Effect.scope
  const own = yield* Scope.fork(scope, "sequential")
  const storage = yield* Scope.provide(connectToStorage(spec), own)
  yield* signLog
  yield* identify(spec)
  const serviceScope = yield* Scope.fork(own, "parallel")
  const endServices = Scope.close(serviceScope, Exit.void)

  yield* Scope.provide(beforePostgres, serviceScope)
  const started = yield* untilAsked(Scope.provide(start(spec, storage, listening), own)).pipe(
    Effect.withSpan("start_compute"),
    underRequest
  )
  if (started._tag === "Done") {
    const postgres = started.value
    yield* recordStarted(postgres, begun)
    yield* Scope.provide(whenRunning(spec), serviceScope)
    const ended = yield* untilEnded(postgres)
    return yield* afterPostgres(ended, endServices)
  }
  const state = yield* ComputeState
  const stops = yield* StopRequests
  // Whoever asked in the moment in which the start failed waits for an answer too.
  const reason = started._tag === "Asked" ? started.reason : yield* stops.current
  const { postgresRuns } = yield* state.get
  const ready = postgresRuns ? yield* Effect.flatMap(Postmaster, (postmaster) => postmaster.current) : null
  // Stops and reaps a Postgres that was spawned already and has not come to serve anybody.
  if (ready === null) yield* Scope.close(own, Exit.void)
  yield* state.update(() => ({ postgresRuns: false }))
  if (reason !== null) return yield* afterCancelledStart(ready, reason, endServices)
  if (started._tag === "Failed") yield* recordFailure(started.error)
  return yield* afterFailedStart(ready, endServices)
})

/**
 * `spec`: the one the process was started with, the status then being `init` already. `created`: when the state was, in
 * nanoseconds of the clock; warming up counts into the wait for a spec.
 */
export const lifecycle = Effect.fnUntraced(function* (
  spec: ParsedSpec | null,
  created: bigint,
  listening: Effect.Effect<void>
) {
  if (spec !== null) return yield* serve(spec, created, listening)
  const waited = yield* untilAsked(awaitSpec(created))
  switch (waited._tag) {
    case "Done":
      return yield* serve(waited.value.spec, waited.value.begun, listening)
    case "Asked":
      return yield* afterEmpty(waited.reason)
    case "Failed": {
      // A termination came between a configuration and its start.
      const reason = yield* Effect.flatMap(StopRequests, (stops) => stops.current)
      if (reason !== null) return yield* afterEmpty(reason)
      yield* recordFailure(waited.error)
      yield* stopNeighbours(null)
      return 1
    }
  }
}, Effect.scoped)
