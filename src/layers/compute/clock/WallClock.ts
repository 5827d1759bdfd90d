/**
 * Two times. Effect's clock is the one by which we wait: it only ever goes forward, at an even pace, and starts at the wall
 * clock's reading. The wall clock itself is for what others compare with theirs: the log, tokens, Postgres, files. It may be
 * set to anything at any moment.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Effect's clock in a process of ours. */
export interface SteadyClock extends Clock.Clock {
  readonly wallTimeMillisUnsafe: () => number
}

const isSteady = (clock: Clock.Clock): clock is SteadyClock => "wallTimeMillisUnsafe" in clock

/** Epoch milliseconds. A clock that knows no other time than its own, as that of a test, tells that. */
export const wallMillisUnsafe = (clock: Clock.Clock): number =>
  isSteady(clock) ? clock.wallTimeMillisUnsafe() : clock.currentTimeMillisUnsafe()

export const wallMillis: Effect.Effect<number> = Effect.clockWith((clock) => Effect.sync(() => wallMillisUnsafe(clock)))

/** What the wall clock says of a moment of the steady one, to be read beside others' times. */
export const toWallUnsafe = (clock: Clock.Clock, millis: number): number =>
  Math.round(wallMillisUnsafe(clock) - clock.currentTimeMillisUnsafe() + millis)

/** Milliseconds between two looks at the wall clock, and by how much it must have left its pace to have been set. */
const LOOK = 10_000
const SET = 2_000

/**
 * Waits for a moment of the wall clock that is so many milliseconds away, or until that clock is set: the moment is another
 * one then. A machine that was suspended sets its clock when it goes on.
 */
export const sleepUnlessSet = (millis: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const pace = () => wallMillisUnsafe(clock) - clock.currentTimeMillisUnsafe()
    const before = pace()
    const end = clock.currentTimeMillisUnsafe() + millis
    for (let left = millis; left > 0; left = end - clock.currentTimeMillisUnsafe()) {
      yield* Effect.sleep(Math.min(left, LOOK))
      if (Math.abs(pace() - before) > SET) return
    }
  })
