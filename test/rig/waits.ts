/**
 * Waits for what has to come. None of them says how soon: a busy machine is slow, and what is broken never comes.
 */
import * as Effect from "effect/Effect"

/** Milliseconds for one thing to come: a net for what never does. */
export const NET = 120_000

/** Milliseconds for a test: more than its waits, so that one that is in vain says what it was for. */
export const LIMIT = 300_000

/** Looks again and again until it is as wanted, and dies with what that was. */
export const eventually = <A, E, R>(
  what: string | (() => string),
  look: Effect.Effect<A, E, R>,
  isWanted: (seen: A) => boolean,
  limit = NET
): Effect.Effect<A, E, R> =>
  Effect.repeat(Effect.delay(look, 20), { until: isWanted }).pipe(
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () => Effect.die(new Error(`not within ${limit} ms: ${typeof what === "string" ? what : what()}`))
    })
  )

/** As `eventually`, for what a look at something of ours tells. */
export const until = (what: string | (() => string), holds: () => boolean, limit = NET): Effect.Effect<void> =>
  Effect.asVoid(eventually(what, Effect.sync(holds), Boolean, limit))
