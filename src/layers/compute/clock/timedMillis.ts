import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** How long it took, in whole milliseconds, and what it gave. */
export const timedMillis = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [number, A], E, R> =>
  Effect.map(Effect.timed(effect), ([took, value]) => [Math.floor(Duration.toMillis(took)), value] as const)
