/**
 * Work that is tried again: the schedule says when and whether, and the wait that it belongs to tells whom it asks, which
 * try this is and what became of the last one.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { redactWithin } from "../../domain/observe/Redaction.ts"
import { CurrentWait, FirstDetail } from "./Waits.ts"

/** Bytes of an error in a wait's detail: a peer may have written it. */
const SHOWN = 300

export interface Failed<E> {
  readonly error: E
  /** Tries that have failed, this one included. */
  readonly failures: number
  /** Until the next try. */
  readonly pause: Duration.Duration
}

export interface Tries<E, R> {
  /** Who is asked: `host:port`, or the name of a program. */
  readonly whom: string
  /** At most, the first one included; null where the schedule alone ends them. */
  readonly attempts: number | null
  /** When to try again. Its input is the failure, its metadata's `attempt` the number of failures; it ends them by ending. */
  readonly schedule: Schedule.Schedule<unknown, E, never, R>
  /** Whether another try may bring another answer. Always, where it is missing. */
  readonly passing?: (error: E) => boolean
  /** Called before each pause. */
  readonly failed: (failed: Failed<E>) => Effect.Effect<void>
}

/** Fails with the error of the last try. */
export const retrying =
  <E extends { readonly message: string }, R2 = never>({
    attempts,
    failed,
    passing = () => true,
    schedule,
    whom
  }: Tries<E, R2>) =>
  <A, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | R2> =>
    Effect.gen(function* () {
      const note = yield* CurrentWait
      let detail = ""
      const tell = (attempt: number, last: string) => {
        detail = `${whom}, attempt ${attempt}${attempts === null ? "" : `/${attempts}`}${last}`
        return note(detail)
      }
      const policy = Schedule.passthrough(schedule).pipe(
        Schedule.while(({ attempt, input }) => (attempts === null || attempt < attempts) && passing(input)),
        Schedule.tap(({ attempt, duration, input }) =>
          Effect.andThen(
            tell(attempt + 1, `, last error: ${redactWithin(input.message, SHOWN)}`),
            failed({ error: input, failures: attempt, pause: duration })
          )
        )
      )
      yield* tell(1, "")
      const one = Effect.suspend(() => Effect.provideService(work, FirstDetail, detail))
      return yield* Effect.ensuring(Effect.retry(one, policy), note(null))
    })
