/**
 * Room for one piece of work at a time. It runs in the scope the slot was made in, whoever asked for it, and each run has
 * its own request to cancel, so that a late one never hits the next run.
 */

import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

export interface Work<A, R> {
  /** Runs before the answer to whoever asked. */
  readonly entered: Effect.Effect<void>
  /** `cancelled` succeeds when somebody wants the run to end. */
  readonly run: (cancelled: Effect.Effect<void>) => Effect.Effect<A, never, R>
  /** Records the result; the slot is free when it is done, not before. */
  readonly settled: (result: A) => Effect.Effect<void>
}

export interface Slot {
  /** False when it is taken. */
  readonly begin: <A, R>(work: Work<A, R>) => Effect.Effect<boolean, never, R>
  /** Cancels what runs now, if anything, and does not wait. */
  readonly cancel: Effect.Effect<void>
  /** Waits until the slot is free. */
  readonly free: Effect.Effect<void>
}

interface Run {
  readonly cancelled: Deferred.Deferred<void>
  readonly over: Deferred.Deferred<void>
}

export const makeSlot: Effect.Effect<Slot, never, Scope.Scope> = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const lock = yield* Semaphore.make(1)
  const current = yield* Ref.make<Run | null>(null)

  const begin = Effect.fnUntraced(
    function* <A, R>(work: Work<A, R>) {
      if ((yield* Ref.get(current)) !== null) return false
      const run: Run = { cancelled: yield* Deferred.make<void>(), over: yield* Deferred.make<void>() }
      yield* Ref.set(current, run)
      yield* work.entered
      yield* Effect.interruptible(work.run(Deferred.await(run.cancelled))).pipe(
        Effect.flatMap((result) => lock.withPermits(1)(Effect.andThen(work.settled(result), Ref.set(current, null)))),
        Effect.ensuring(Effect.andThen(Ref.set(current, null), Deferred.succeed(run.over, undefined))),
        Effect.forkIn(scope)
      )
      return true
    },
    lock.withPermits(1),
    Effect.uninterruptible
  )

  return {
    begin,
    cancel: Effect.flatMap(Ref.get(current), (run) =>
      run === null ? Effect.void : Effect.asVoid(Deferred.succeed(run.cancelled, undefined))
    ),
    free: Effect.flatMap(Ref.get(current), (run) => (run === null ? Effect.void : Deferred.await(run.over)))
  }
})
