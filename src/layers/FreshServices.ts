/**
 * What Effect sets up when its modules are evaluated, and what must not be shared by all processes that start from one
 * heap snapshot: the origin of the clock and the seed of the random numbers.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { SteadyClock } from "./WallClock.ts"

/** Milliseconds by which a timer may be late before the process, or its machine, counts as having stood still. */
const STANDSTILL = 1000
/**
 * Milliseconds by which it is put off then: what was waited for may be there already, but is only looked at after all timers
 * that have run out meanwhile.
 */
const GRACE = 1000
/** Of a timer of Node's. */
const LONGEST = 2 ** 31 - 1

const sleep = (millis: number) =>
  Effect.async<void>((resume) => {
    const due = performance.now() + millis
    const done = () => resume(Effect.void)
    let timer = setTimeout(() => {
      if (performance.now() - due < STANDSTILL) return done()
      timer = setTimeout(done, Math.min(millis, GRACE))
    }, millis)
    return Effect.sync(() => clearTimeout(timer))
  })

/** Wall clock of now, advanced by the monotonic one. */
const freshClock = (): SteadyClock => {
  const base = Clock.make()
  const origin = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint()
  const nanos = () => origin + process.hrtime.bigint()
  const millis = () => Number(nanos() / 1_000_000n)
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeWallTimeMillis: () => Date.now(),
    unsafeCurrentTimeMillis: millis,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) => {
      const time = Duration.toMillis(duration)
      return time > 0 && time <= LONGEST ? sleep(time) : base.sleep(duration)
    }
  }
}

export const withFreshServices = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const seed = `${process.hrtime.bigint()} ${process.pid}`
    return effect.pipe(Effect.withClock(freshClock()), Effect.withRandom(Random.make(seed)))
  })
