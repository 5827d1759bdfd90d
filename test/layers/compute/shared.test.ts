/**
 * Questions that are asked once for all who ask.
 */
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { shared } from "../../../src/layers/compute/shared.ts"

/** A question that is answered when the test says so: with its number. */
const makeQuestion = Effect.gen(function* () {
  const answers: Array<Deferred.Deferred<void>> = []
  const state = { begun: 0, interrupted: 0 }
  const ask = yield* shared(
    Effect.gen(function* () {
      const number = ++state.begun
      const answer = yield* Deferred.make<void>()
      answers.push(answer)
      yield* Deferred.await(answer)
      return number
    }).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          state.interrupted += 1
        })
      )
    )
  )
  const answer = (index: number) =>
    Effect.gen(function* () {
      while (answers[index] === undefined) yield* Effect.yieldNow
      yield* Deferred.succeed(answers[index], undefined)
    })
  return { ask, answer, state }
})

const asked = <A, E>(ask: Effect.Effect<A, E>) => Effect.forkChild(ask, { startImmediately: true })

it.effect("who asks while one is under way gets the answer of the next, with all the others", () =>
  Effect.gen(function* () {
    const { ask, answer, state } = yield* makeQuestion
    const first = yield* asked(ask)
    while (state.begun === 0) yield* Effect.yieldNow
    const later = yield* Effect.forEach(Array.from({ length: 20 }), () => asked(ask))
    yield* answer(0)
    assert.strictEqual(yield* Fiber.join(first), 1)
    yield* answer(1)
    for (const fiber of later) assert.strictEqual(yield* Fiber.join(fiber), 2)
    assert.strictEqual(state.begun, 2)
  }).pipe(Effect.scoped)
)

it.effect("one that nobody waits for any more is interrupted, and the next begins", () =>
  Effect.gen(function* () {
    const { ask, answer, state } = yield* makeQuestion
    const both = [yield* asked(ask), yield* asked(ask)]
    while (state.begun === 0) yield* Effect.yieldNow
    yield* Fiber.interrupt(both[0] ?? both[1] ?? (yield* asked(ask)))
    for (const fiber of both) yield* Fiber.interrupt(fiber)
    assert.isAtLeast(state.interrupted, 1)
    const next = yield* asked(ask)
    while (state.begun === state.interrupted) yield* Effect.yieldNow
    yield* answer(state.begun - 1)
    assert.strictEqual(yield* Fiber.join(next), state.begun)
  }).pipe(Effect.scoped)
)
