/**
 * How long a session of ours waits for a connection that the server has not got.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Purpose } from "../../../domain/postgres/session/SessionLimits.ts"
import type { SqlFailed } from "../errors.ts"
import type { Places } from "../places.ts"

/** `too_many_connections`: somebody leaves, one of our own sessions if nobody else. */
const isFull = (error: SqlFailed) => error.sqlstate === "53300"

const PATIENCE: Readonly<Record<Purpose, Duration.Input>> = {
  apply: "1 minute",
  change: "15 seconds",
  transfer: "1 minute",
  question: "15 seconds",
  probe: "2 seconds"
}

const untilFree = (purpose: Purpose) =>
  Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("500 millis")]).pipe(
    Schedule.upTo({ duration: PATIENCE[purpose] })
  )

/** Opens a session in its place among ours. `passes`: what else is over soon. */
export const entering = <A, R>(
  places: Places,
  purpose: Purpose,
  open: Effect.Effect<A, SqlFailed, R>,
  passes: (error: SqlFailed) => boolean = () => false
): Effect.Effect<A, SqlFailed, R | Scope.Scope> =>
  Effect.andThen(
    places.place(purpose),
    open.pipe(
      Effect.tapError((error) => (isFull(error) ? places.refused : Effect.void)),
      Effect.retry({ schedule: untilFree(purpose), while: (error) => isFull(error) || passes(error) })
    )
  )
