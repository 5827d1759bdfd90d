/** Our own work in databases of users, which their statistics show as if it were theirs. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"

/** Milliseconds: statistics of sessions that we closed may arrive this much later. */
const SETTLING = 1500

export const makeOwnWork = Effect.gen(function* () {
  const busy = yield* Ref.make({ running: 0, until: 0 })

  const settling = (left: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Ref.update(busy, ({ running }) => ({ running: running - left, until: now + SETTLING }))
    )
  const begin = Ref.update(busy, ({ running, until }) => ({ running: running + 1, until }))
  const end = settling(1)

  return {
    /** While some runs, and shortly after. */
    isSeen: Effect.flatMap(Ref.get(busy), ({ running, until }) =>
      Effect.map(Clock.currentTimeMillis, (now) => running > 0 || now < until)
    ),
    /** There is some now, of somebody who does not say so. */
    noticed: settling(0),
    during: <A, E, R>(work: Effect.Effect<A, E, R>) =>
      Effect.acquireUseRelease(
        begin,
        () => work,
        () => end
      ),
    scoped: Effect.acquireRelease(begin, () => end)
  }
})
