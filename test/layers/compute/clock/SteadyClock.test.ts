import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { afterEach, vi } from "vitest"
import { withSteadyClock } from "../../../../src/layers/compute/clock/SteadyClock.ts"
import {
  type SteadyClock,
  sleepUnlessSet,
  toWallUnsafe,
  wallMillis
} from "../../../../src/layers/compute/clock/WallClock.ts"

const HOUR = 3_600_000

const real = Date.now
let shift = 0
const set = (to: number) => {
  shift = to
  vi.spyOn(Date, "now").mockImplementation(() => real() + shift)
}

afterEach(() => {
  vi.restoreAllMocks()
})

const fresh = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(withSteadyClock(effect))

describe("the clock of a process", () => {
  for (const step of [-HOUR, HOUR]) {
    it(`goes on at its pace when the wall clock is set by ${step / HOUR} h`, () =>
      fresh(
        Effect.gen(function* () {
          const before = yield* Clock.currentTimeMillis
          set(step)
          const after = yield* Clock.currentTimeMillis
          assert.isAtLeast(after, before)
          assert.isBelow(after - before, HOUR / 2)
          assert.closeTo(yield* wallMillis, real() + step, HOUR / 2)
          const clock = yield* Clock.Clock
          assert.closeTo(toWallUnsafe(clock, before), before + step, HOUR / 2)
        })
      ))

    it(`lets nothing be remembered or tried longer or shorter when the wall clock is set by ${step / HOUR} h`, () =>
      fresh(
        Effect.gen(function* () {
          let asked = 0
          const answer = yield* Effect.cachedWithTTL(
            Effect.sync(() => ++asked),
            "500 millis"
          )
          assert.strictEqual(yield* answer, 1)
          set(step)
          assert.strictEqual(yield* answer, 1)
          yield* Effect.sleep("600 millis")
          assert.strictEqual(yield* answer, 2)
          let tried = 0
          yield* Effect.sync(() => {
            tried += 1
            if (tried === 2) set(0)
            return tried
          }).pipe(
            Effect.repeat(Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "1 second" }))),
            Effect.timeout("1 minute")
          )
          assert.isAbove(tried, 2)
        })
      ))
  }

  it("tells who waits for a moment of the wall clock that it was set", async () => {
    let steady = 0
    let wall = 1_000_000
    const slept: Array<number> = []
    const clock: SteadyClock = {
      ...Context.get(Context.empty(), Clock.Clock),
      wallTimeMillisUnsafe: () => wall,
      currentTimeMillisUnsafe: () => steady,
      sleep: (duration) =>
        Effect.sync(() => {
          const millis = Duration.toMillis(duration)
          slept.push(millis)
          steady += millis
          wall += millis + (slept.length === 3 ? HOUR : 0)
        })
    }
    const wait = (millis: number) =>
      Effect.runPromise(Effect.provideService(sleepUnlessSet(millis), Clock.Clock, clock))
    await wait(15_000)
    assert.deepStrictEqual(slept, [10_000, 5_000])
    await wait(600_000)
    assert.deepStrictEqual(slept, [10_000, 5_000, 10_000])
  })

  it("gives what has come meanwhile a chance when a timer is late because everything stood still", () =>
    fresh(
      Effect.gen(function* () {
        const came = Effect.callback<string>((resume) => {
          setTimeout(() => setImmediate(() => resume(Effect.succeed("it came"))), 150)
        })
        const waited = yield* Effect.forkChild(Effect.timeoutOption(came, "100 millis"))
        yield* Effect.yieldNow
        yield* Effect.yieldNow
        const until = performance.now() + 1300
        while (performance.now() < until);
        const answer = yield* Fiber.join(waited)
        assert.strictEqual(answer._tag, "Some")
      })
    ))
})
