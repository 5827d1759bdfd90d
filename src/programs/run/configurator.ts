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
import { Options } from "../../layers/compute/Options.ts"
import { failureChain } from "./errors.ts"
import { Reconfiguration } from "./reconfigure.ts"
import { Refresh } from "./refresh.ts"

/** After a refresh that changed nothing, or that failed. */
const PAUSE = 5_000

/**
 * After a failure, whoever asks: the control plane that does not answer has every compute of its own asking. Never longer,
 * since Postgres waits for it and cancels its users' queries after a minute.
 */
const failurePause = Effect.map(Random.nextBetween(0.9, 1.1), (jitter) => Math.round(PAUSE * jitter))

const isPending = ({ status, postgresRuns }: State): boolean =>
  postgresRuns && (status === "configuration_pending" || status === "refresh_configuration_pending")

const log = (cause: Cause.Cause<Error>) =>
  Effect.logError(`could not configure compute node: ${failureChain(cause).join(": ")}`)

/** Never ends by itself. */
export const configurator = Effect.gen(function* () {
  const state = yield* ComputeState
  const reconfiguration = yield* Reconfiguration
  const refresh = yield* Refresh
  const { lakebaseMode } = yield* Options
  /** Milliseconds of the clock before which no refresh begins. */
  let restUntil = 0

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

  /** Waits out the pause; ends early when the status is another one. */
  const rested = Effect.fnUntraced(function* (pending: State) {
    const left = restUntil - (yield* Clock.currentTimeMillis)
    if (left <= 0) return
    yield* Effect.raceFirst(
      Effect.sleep(Duration.millis(left)),
      state.await((now) => now.status !== pending.status)
    )
  })

  const failedRefresh = Effect.fnUntraced(function* (cause: Cause.Cause<Error>) {
    const error = paragraph(failureChain(cause))
    const pause = yield* failurePause
    yield* log(cause)
    if (lakebaseMode) {
      // Requests are refused meanwhile, by which the neon extension knows how long it has been waiting.
      yield* state.update(() => ({ error }))
      if ((yield* unlessTerminating(Effect.sleep(Duration.millis(pause)))) === null) return
    } else {
      restUntil = (yield* Clock.currentTimeMillis) + pause
    }
    yield* become("refresh failed", error)
  })

  const refreshed = Effect.gen(function* () {
    const begun = yield* Effect.option(state.transition("refresh begins"))
    if (begun._tag === "None") return
    const exit = yield* unlessTerminating(refresh.run)
    if (exit === null) return
    if (exit._tag === "Failure") return yield* failedRefresh(exit.cause)
    switch (exit.value) {
      case "unchanged":
        restUntil = (yield* Clock.currentTimeMillis) + PAUSE
        return yield* become("nothing to refresh", null)
      case "reconfigured":
        restUntil = 0
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
