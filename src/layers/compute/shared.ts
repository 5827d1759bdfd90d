/**
 * One question at a time: whoever asks while one is under way waits for the next one, together with all others who do. The
 * answer is never older than the question, and there are never more than two however many ask.
 */

import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

interface Run<A, E> {
  readonly answer: Deferred.Deferred<A, E>
  readonly fiber: Fiber.Fiber<unknown>
  waiting: number
}

/** Runs `ask` in the scope. A run that nobody waits for any more is interrupted. */
export const shared = <A, E>(ask: Effect.Effect<A, E>): Effect.Effect<Effect.Effect<A, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const turn = yield* Semaphore.make(1)
    /** Has not begun yet. */
    let next: Run<A, E> | null = null

    const begin = Effect.gen(function* () {
      const answer = yield* Deferred.make<A, E>()
      const begun = Effect.sync(() => {
        next = null
      })
      const fiber = yield* turn
        .withPermits(1)(Effect.andThen(begun, Deferred.into(ask, answer)))
        .pipe(Effect.interruptible, Effect.forkIn(scope))
      const run: Run<A, E> = { answer, fiber, waiting: 0 }
      next = run
      return run
    })

    const leave = (run: Run<A, E>) =>
      Effect.suspend(() => {
        run.waiting -= 1
        if (run.waiting > 0) return Effect.void
        if (next === run) next = null
        return Fiber.interrupt(run.fiber)
      })

    return Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const run = next ?? (yield* begin)
        run.waiting += 1
        return yield* restore(Deferred.await(run.answer)).pipe(Effect.ensuring(leave(run)))
      })
    )
  })
