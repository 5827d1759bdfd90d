/**
 * How many sessions of ours there are at once. Where tenants hold every connection they may have, the three that are reserved
 * for superusers are left: one for the monitor, one for an apply, and one for whatever is asked.
 *
 * Source: PostgreSQL documentation, `superuser_reserved_connections`.
 */

import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Purpose } from "../../domain/postgres/session/SessionLimits.ts"

/** As long as the server has connections for everybody. */
const ROOMY = 8
/** How long after the last refusal the server counts as full. */
const MEMORY_MS = 30_000

export interface Places {
  /** Waits until another session for this may be opened; its place is given back with the scope. */
  readonly place: (purpose: Purpose) => Effect.Effect<void, never, Scope.Scope>
  /** The server had no connection for us. */
  readonly refused: Effect.Effect<void>
  /** Whether that was so a short time ago. */
  readonly isCrowded: () => boolean
}

/** Those that come in numbers. The others are one each, and wait for nobody's answer. */
const isCounted = (purpose: Purpose) => purpose === "question" || purpose === "change"

const held = (semaphore: Semaphore.Semaphore) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.andThen(
      restore(semaphore.take(1)),
      Effect.addFinalizer(() => semaphore.release(1))
    )
  )

/** `now`: milliseconds of a clock that only goes forward. */
export const makePlaces = (now: () => number): Places => {
  const many = Semaphore.makeUnsafe(ROOMY)
  const one = Semaphore.makeUnsafe(1)
  let refusedAt = Number.NEGATIVE_INFINITY
  const isCrowded = () => now() - refusedAt < MEMORY_MS
  return {
    place: (purpose) =>
      isCounted(purpose)
        ? Effect.andThen(
            held(many),
            Effect.suspend(() => (isCrowded() ? Effect.asVoid(held(one)) : Effect.void))
          )
        : Effect.void,
    refused: Effect.sync(() => {
      refusedAt = now()
    }),
    isCrowded
  }
}
