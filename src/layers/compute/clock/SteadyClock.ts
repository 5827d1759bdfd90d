/**
 * The clock of a process: the wall's reading at the start, advanced by the monotonic clock. Made when the process starts,
 * since what is made while modules are evaluated is shared by all processes that start from one heap snapshot.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
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

const sleep = (millis: number): Effect.Effect<void> => {
  if (millis <= 0) return Effect.yieldNow
  if (!Number.isFinite(millis)) return Effect.never
  if (millis > LONGEST) return Effect.andThen(sleep(LONGEST), sleep(millis - LONGEST))
  return Effect.callback<void>((resume) => {
    const due = performance.now() + millis
    const done = () => resume(Effect.void)
    let timer = setTimeout(() => {
      if (performance.now() - due < STANDSTILL) return done()
      timer = setTimeout(done, Math.min(millis, GRACE))
    }, millis)
    return Effect.sync(() => clearTimeout(timer))
  })
}

const make = (): SteadyClock => {
  const origin = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint()
  const monotonic = () => process.hrtime.bigint()
  const nanos = () => origin + monotonic()
  const millis = () => Number(nanos() / 1_000_000n)
  return {
    wallTimeMillisUnsafe: () => Date.now(),
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: monotonic,
    monotonicTimeNanos: Effect.sync(monotonic),
    sleep: (duration) => sleep(Duration.toMillis(duration))
  }
}

export const withSteadyClock = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.provideService(effect, Clock.Clock, make()))
