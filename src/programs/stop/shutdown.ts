/**
 * The end of a compute, as a written sequence of named steps, each with its limit. A step that fails or overruns is
 * logged and the next one runs: the answer of `/terminate` and the exit code must come in any case.
 *
 * Source: `compute_tools/src/bin/compute_ctl.rs` (`wait_postgres`, `cleanup_after_postgres_exit`, `delay_exit`).
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { format } from "../../domain/spec/Lsn.ts"
import { isTerminating } from "../../domain/status/ComputeStatus.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { Options } from "../../layers/compute/Options.ts"
import { type StopReason, StopRequests } from "../../layers/compute/stop/StopRequests.ts"
import { Waits } from "../../layers/compute/Waits.ts"
import { type Ended, exitCode } from "../../layers/machine/child/Children.ts"
import { reportCoreDumps } from "../../layers/machine/process/coreDumps.ts"
import { LocalProxy } from "../../layers/neighbours/LocalProxy.ts"
import { PgBouncer } from "../../layers/neighbours/PgBouncer.ts"
import { timed } from "../../layers/observe/Metrics.ts"
import type { RunningPostgres } from "../../layers/postgres/Postmaster.ts"
import { Safekeepers } from "../../layers/storage/safekeepers/Safekeepers.ts"

const NEIGHBOURS_LIMIT = "5 seconds"
const SYNC_LIMIT = "30 seconds"
/** Whoever cannot wait for debuggers says so by a signal. */
const CORES_LIMIT = "30 minutes"
/** How long the API answers on, so that the control plane can read how it went. */
const LINGER_LONG = Duration.seconds(30)
const LINGER_SHORT = Duration.millis(300)

/** Runs a step to its end or its limit; never fails. */
const bounded = <A, R>(name: string, limit: Duration.Input, effect: Effect.Effect<A, Error, R>) =>
  Effect.flatMap(Waits, (waits) => waits.within(name, limit)(effect)).pipe(
    Effect.tapCause((cause) => Effect.logWarning(`shutdown step failed: ${name}`, cause)),
    Effect.option
  )

/**
 * A pooler left alone would keep clients connected to a Postgres that is gone. In every ending, one without Postgres too; on a
 * developer's machine, where they are somebody else's, only when that is asked for.
 */
export const stopNeighbours = Effect.fnUntraced(function* (reason: StopReason | null) {
  const options = yield* Options
  if (options.dev && reason?._tag !== "Terminate") return
  const pgbouncer = yield* PgBouncer
  const localProxy = yield* LocalProxy
  yield* bounded(
    "neighbours to be stopped",
    NEIGHBOURS_LIMIT,
    Effect.all([pgbouncer.stop, localProxy.stop], { concurrency: 2, discard: true })
  )
})

const isSignal = (reason: StopReason): boolean => reason._tag === "Signal"
const isImmediate = (reason: StopReason): boolean => reason._tag === "Signal" && reason.immediate
/** Nobody waits for the end of the safekeepers' sync. */
const isLeaving = (reason: StopReason | null): boolean => reason !== null && reason._tag !== "Terminate"

/** Runs a step until it is done or somebody asks to stop in a way that does not leave it the time; then false. */
const unless = <R>(hurry: (reason: StopReason) => boolean, step: Effect.Effect<unknown, never, R>) =>
  Effect.flatMap(StopRequests, (stops) =>
    Effect.raceFirst(Effect.as(step, true), Effect.as(stops.awaitMatching(hurry), false))
  )

/** Stops Postgres; a second, more urgent request shortens the way. */
export const stopPostgres = Effect.fn("stop postgres")(function* (
  postgres: RunningPostgres,
  reason: StopReason | null
) {
  const stops = yield* StopRequests
  yield* stopNeighbours(reason)
  if (reason !== null && isImmediate(reason)) return yield* postgres.stop("immediate")
  const escalated = Effect.andThen(stops.awaitMatching(isImmediate), postgres.stop("immediate"))
  return yield* Effect.raceFirst(postgres.stop("fast"), escalated)
})

/** Brings the safekeepers level, so that the next start finds them in sync; its LSN is the answer of `/terminate`. */
const finalSync = Effect.gen(function* () {
  const state = yield* ComputeState
  const { spec } = yield* state.get
  if (spec?.spec.mode !== "Primary") {
    yield* Effect.logInfo("not primary, not syncing safekeepers")
    return
  }
  const safekeepers = yield* Safekeepers
  yield* Effect.logInfo("syncing safekeepers on shutdown")
  const sync = timed("final sync")(safekeepers.finalSync(spec))
  const synced = yield* bounded("safekeepers to be synced on shutdown", SYNC_LIMIT, sync)
  if (Option.isNone(synced)) return
  yield* Effect.logInfo(`synced safekeepers at LSN ${format(synced.value.lsn)}`)
  yield* state.update(({ metrics }) => ({
    terminateFlushLsn: synced.value.lsn,
    metrics: { ...metrics, sync_safekeepers_ms: synced.value.tookMs }
  }))
})

/** True when the answer of `/terminate` is known: a sync that was tried and failed has none, one that was cut short may have. */
const syncAtEnd = Effect.gen(function* () {
  const stops = yield* StopRequests
  const state = yield* ComputeState
  const { spec } = yield* state.get
  const whole = isLeaving(yield* stops.current) ? false : yield* unless(isSignal, finalSync)
  const known = whole || spec?.spec.mode !== "Primary" || (yield* state.get).terminateFlushLsn !== null
  if (!known) yield* state.update(() => ({ cutShort: true }))
  return known
})

const settle = Effect.gen(function* () {
  const state = yield* ComputeState
  const { status } = yield* state.get
  if (isTerminating(status)) yield* Effect.ignore(state.transition("shut down"), { log: true })
})

/** True when a signal cut it short: the process then ends as one does by a signal. */
const linger = Effect.fnUntraced(function* (duration: Duration.Duration) {
  const stops = yield* StopRequests
  if (Duration.isGreaterThan(duration, LINGER_SHORT)) {
    yield* Effect.logInfo(`giving control plane ${Duration.toSeconds(duration)}s to collect the error before shutdown`)
  }
  const signalled = stops.awaitMatching(isSignal)
  return yield* Effect.raceFirst(Effect.as(Effect.sleep(duration), false), Effect.as(signalled, true))
})

/** How long the API answers after a `/terminate`. */
const lingerFor = (reason: StopReason | null) =>
  linger(reason?._tag === "Terminate" && reason.mode === "fast" ? LINGER_LONG : LINGER_SHORT)

/** What is left to do once Postgres is gone. `services` ends what watched it. */
export const afterPostgres = Effect.fn("shutdown")(function* (ended: Ended, services: Effect.Effect<void>) {
  const state = yield* ComputeState
  const stops = yield* StopRequests
  const code = exitCode(ended)
  yield* Effect.logInfo(
    `Postgres exited with code ${ended._tag === "Exited" ? ended.code : ended.signal}, shutting down`
  )
  yield* state.update(() => ({ postgresRuns: false }))
  yield* bounded("services to end", "5 seconds", services)
  if (yield* syncAtEnd) yield* settle
  yield* unless(isImmediate, bounded("core dumps to be looked at", CORES_LIMIT, reportCoreDumps()))
  const reason = yield* stops.current
  if (isLeaving(reason)) return 1
  return (yield* lingerFor(reason)) ? 1 : code
})

/** A `/terminate` that comes while the status says why a start has failed: a refresh that was asked for allows it. */
const terminatedLate = Effect.gen(function* () {
  const stops = yield* StopRequests
  const reason = yield* stops.awaitMatching(({ _tag }) => _tag === "Terminate")
  yield* settle
  return yield* lingerFor(reason)
})

/**
 * A start that failed: the status says why for a while, then the process ends. `postgres`: the one that had become ready
 * before; what it had written is brought to the safekeepers, and its code is ours.
 */
export const afterFailedStart = Effect.fnUntraced(function* (
  postgres: RunningPostgres | null,
  services: Effect.Effect<void>
) {
  const ended = postgres === null ? null : yield* stopPostgres(postgres, null)
  if (postgres === null) yield* stopNeighbours(null)
  yield* bounded("services to end", "5 seconds", services)
  if (ended !== null) yield* syncAtEnd
  yield* unless(isSignal, bounded("core dumps to be looked at", CORES_LIMIT, reportCoreDumps()))
  const cut = yield* Effect.raceFirst(linger(LINGER_LONG), terminatedLate)
  return cut || ended === null ? 1 : exitCode(ended)
})

/** Somebody asked to stop while the compute was starting. `postgres`: as above; where none was ready, none has written. */
export const afterCancelledStart = Effect.fnUntraced(function* (
  postgres: RunningPostgres | null,
  reason: StopReason,
  services: Effect.Effect<void>
) {
  if (postgres !== null) return yield* afterPostgres(yield* stopPostgres(postgres, reason), services)
  yield* stopNeighbours(reason)
  yield* bounded("services to end", "5 seconds", services)
  if (reason._tag !== "Terminate") return 1
  yield* settle
  return (yield* lingerFor(reason)) ? 1 : 0
})

/** Whoever asks an empty compute to stop: there never was a Postgres. */
export const afterEmpty = Effect.fnUntraced(function* (reason: StopReason) {
  const options = yield* Options
  yield* stopNeighbours(reason)
  if (reason._tag !== "Terminate") return 1
  yield* settle
  // The container platform of lakebase mode reads the answer of a process that lives on for a moment.
  const cut = yield* linger(options.lakebaseMode ? Duration.seconds(5) : LINGER_SHORT)
  return cut ? 1 : 0
})
