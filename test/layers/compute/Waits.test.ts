import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { Waits } from "../../../src/layers/compute/Waits.ts"
import { basics, counter } from "../../programs/fakes.ts"

const held = (log: Array<string>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => log.push("acquired")),
    () => Effect.never,
    () =>
      Effect.andThen(
        Effect.sleep(100),
        Effect.sync(() => log.push("released"))
      )
  )

describe("Waits", () => {
  it.effect("an interruption is over when what was waited for is", () =>
    Effect.gen(function* () {
      const waits = yield* Waits
      const log: Array<string> = []
      const fiber = yield* Effect.forkChild(waits.within("a thing", "1 minute")(held(log)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        (yield* waits.current).map(({ name }) => name),
        ["a thing"]
      )
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust(99)
      assert.deepStrictEqual(log, ["acquired"])
      yield* TestClock.adjust(1)
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual(log, ["acquired", "released"])
      assert.deepStrictEqual(yield* waits.current, [])
    }).pipe(Effect.provide(basics))
  )

  it.effect("an expiry is not held up by what cannot be interrupted", () =>
    Effect.gen(function* () {
      const waits = yield* Waits
      const log: Array<string> = []
      const fiber = yield* Effect.forkChild(Effect.flip(waits.within("a thing", "2 seconds")(held(log))))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).message, "a thing: not done within 2s")
      assert.deepStrictEqual(log, ["acquired"])
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(log, ["acquired", "released"])
      assert.include(yield* counter("compute_ctl_waits_expired_total"), '{wait="a thing"} 1')
    }).pipe(Effect.provide(basics))
  )

  it.effect("goes on for as long as there is progress, and shows until when", () =>
    Effect.gen(function* () {
      const waits = yield* Waits
      let progress = () => {}
      const waiting = waits.progressing(
        "bytes",
        "10 seconds"
      )((told) => {
        progress = told
        return Effect.never
      })
      const fiber = yield* Effect.forkChild(Effect.flip(waiting))
      for (let turn = 0; turn < 10; turn++) {
        yield* TestClock.adjust("9 seconds")
        progress()
      }
      const [wait] = yield* waits.current
      assert.strictEqual((wait?.deadline ?? 0) - (wait?.since ?? 0), 100_000)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).message, "bytes: no progress within 10s")
      assert.include(yield* counter("compute_ctl_waits_expired_total"), '{wait="bytes"} 1')
    }).pipe(Effect.provide(basics))
  )

  it.effect("the warning that a long limit brings does not hold up a wait that is over", () =>
    Effect.gen(function* () {
      const waits = yield* Waits
      const fiber = yield* Effect.forkChild(waits.within("a thing", "1 minute")(Effect.succeed(1)))
      yield* Effect.yieldNow.pipe(Effect.repeat({ times: 50 }))
      assert.isNotNull(fiber.pollUnsafe())
    }).pipe(Effect.provide(basics))
  )

  it.effect("results and failures pass through", () =>
    Effect.gen(function* () {
      const waits = yield* Waits
      assert.strictEqual(yield* waits.within("a", "1 second")(Effect.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(waits.within("a", "1 second")(Effect.fail("no"))), "no")
    }).pipe(Effect.provide(basics))
  )
})
