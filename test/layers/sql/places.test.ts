/**
 * How many sessions of ours there are at once.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { makePlaces } from "../../../src/layers/sql/places.ts"

/** Opens so many at once, and tells how many were open together. */
const most = (places: ReturnType<typeof makePlaces>, purpose: "question" | "apply", count: number) =>
  Effect.gen(function* () {
    let open = 0
    let together = 0
    const one = Effect.gen(function* () {
      yield* places.place(purpose)
      open += 1
      together = Math.max(together, open)
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      open -= 1
    }).pipe(Effect.scoped)
    yield* Effect.forEach(Array.from({ length: count }), () => one, { concurrency: "unbounded" })
    return together
  })

it.effect("questions are few, and one at a time while the server is full; an apply never waits", () =>
  Effect.gen(function* () {
    let now = 0
    const places = makePlaces(() => now)
    assert.strictEqual(yield* most(places, "question", 30), 8)
    yield* places.refused
    assert.strictEqual(yield* most(places, "question", 30), 1)
    assert.strictEqual(yield* most(places, "apply", 30), 30)
    now += 60_000
    assert.strictEqual(yield* most(places, "question", 30), 8)
  })
)

it.effect("a place goes back from whoever is interrupted, also while it waits", () =>
  Effect.gen(function* () {
    const places = makePlaces(() => 0)
    yield* places.refused
    const holder = yield* Effect.forkChild(Effect.scoped(Effect.andThen(places.place("question"), Effect.never)), {
      startImmediately: true
    })
    const waiter = yield* Effect.forkChild(Effect.scoped(places.place("question")), { startImmediately: true })
    yield* Fiber.interrupt(waiter)
    yield* Fiber.interrupt(holder)
    yield* Effect.scoped(places.place("question"))
  })
)
