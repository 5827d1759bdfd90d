/**
 * What Effect sets up when its modules are evaluated, and what must not be shared by all processes that start from one
 * heap snapshot: the origin of the clock and the seed of the random numbers.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** Wall clock of now, advanced by the monotonic one. */
const freshClock = (): Clock.Clock => {
  const base = Clock.make()
  const origin = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint()
  const nanos = () => origin + process.hrtime.bigint()
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => base.unsafeCurrentTimeMillis(),
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: base.currentTimeMillis,
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) => base.sleep(duration)
  }
}

export const withFreshServices = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const seed = `${process.hrtime.bigint()} ${process.pid}`
    return effect.pipe(Effect.withClock(freshClock()), Effect.withRandom(Random.make(seed)))
  })
