/**
 * Acts on the status: whatever is pending is done, one thing at a time, until the compute stops. What matters is the
 * state and not the moment it changed, so that no request is ever missed.
 *
 * Source: `compute_tools/src/configurator.rs`.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { paragraph } from "../../domain/observe/ErrorChain.ts"
import { type Cause as Change, isTerminating } from "../../domain/status/ComputeStatus.ts"
import { ComputeState, type State } from "../../layers/compute/ComputeState.ts"
import { failureChain } from "./OperationFailed.ts"
import { Reconfiguration } from "./reconfigure.ts"
import { Refresh } from "./refresh.ts"

/** After a refresh that changed nothing, and after the first of several that failed. */
const PAUSE = 5_000
const LONGEST_PAUSE = 60_000

/** The pause after so many failed refreshes in a row: doubling, with a tenth of it left to chance. */
const backoff = (failures: number) =>
  Effect.map(Random.nextBetween(0.9, 1.1), (jitter) =>
    Math.round(Math.min(LONGEST_PAUSE, PAUSE * 2 ** (failures - 1)) * jitter)
  )

const isPending = ({ status, postgresRuns }: State): boolean =>
  postgresRuns && (status === "configuration_pending" || status === "refresh_configuration_pending")

const log = (cause: Cause.Cause<Error>) =>
  Effect.logError(`could not configure compute node: ${failureChain(cause).join(": ")}`)

/** Never ends by itself. */
export const configurator = Effect.gen(function* () {
  const state = yield* ComputeState
  const reconfiguration = yield* Reconfiguration
  const refresh = yield* Refresh
  let failures = 0
  /** Milliseconds of the clock before which no refresh begins, and whether another request lifts that. */
  let rest = { until: 0, liftedByRequest: false }

  /** A termination may have come in between, and has the last word. */
  const become = (change: Change, error: string | null) =>
    Effect.catchTag(
      state.transition(change, () => ({ error })),
      "InvalidStatus",
      ({ status }) => Effect.logInfo(`${change}, but the compute is ${status} by now`)
    )

  /** The work's exit; null when the compute is being terminated, which interrupts it. */
  const unlessTerminating = <A>(work: Effect.Effect<A, Error>) =>
    Effect.raceFirst(
      Effect.exit(work),
      Effect.as(
        state.await(({ status }) => isTerminating(status)),
        null
      )
    )

  const configure = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const begun = yield* Effect.option(state.transition("reconfiguration begins"))
      if (begun._tag === "None") return
      // A tenant's database must not keep a new certificate, or the next one, from being used.
      const forgiving = begun.value.unasked
      const exit = yield* restore(unlessTerminating(reconfiguration.run({ forgiving }))).pipe(
        Effect.onInterrupt(() => become("reconfiguration failed", "Postgres ended while it was being reconfigured"))
      )
      if (exit === null) return
      if (exit._tag === "Success") return yield* become("reconfigured", null)
      yield* log(exit.cause)
      yield* become("reconfiguration failed", paragraph(failureChain(exit.cause)))
    })
  )

  /** Waits out the pause; ends early when the status is another one, or somebody asks again after a failure. */
  const rested = (pending: State) =>
    Effect.gen(function* () {
      const left = rest.until - (yield* Clock.currentTimeMillis)
      if (left <= 0) return
      const { liftedByRequest } = rest
      yield* Effect.raceFirst(
        Effect.sleep(Duration.millis(left)),
        state.await((now) => now.status !== pending.status || (liftedByRequest && now.since !== pending.since))
      )
    })

  const refreshed = Effect.gen(function* () {
    const begun = yield* Effect.option(state.transition("refresh begins"))
    if (begun._tag === "None") return
    const exit = yield* unlessTerminating(refresh.run)
    if (exit === null) return
    const now = yield* Clock.currentTimeMillis
    if (exit._tag === "Failure") {
      yield* log(exit.cause)
      failures += 1
      rest = { until: now + (yield* backoff(failures)), liftedByRequest: true }
      return yield* become("refresh failed", paragraph(failureChain(exit.cause)))
    }
    failures = 0
    switch (exit.value) {
      case "unchanged":
        rest = { until: now + PAUSE, liftedByRequest: false }
        return yield* become("nothing to refresh", null)
      case "reconfigured":
        rest = { until: 0, liftedByRequest: false }
        return yield* become("reconfigured", null)
      case "detached":
        // The shutdown that was asked for ends this fiber.
        return yield* Effect.never
    }
  })

  const turn = Effect.gen(function* () {
    const pending = yield* state.await(isPending)
    if (pending.status === "configuration_pending") return yield* configure
    yield* rested(pending)
    const { status } = yield* state.get
    if (status === "refresh_configuration_pending") yield* refreshed
  })
  return yield* Effect.forever(turn)
})
