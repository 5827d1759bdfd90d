import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** A step of the start failed; `message` is the step, `cause` what went wrong in it. */
export class StartFailed extends Data.TaggedError("StartFailed")<{
  readonly message: string
  readonly cause?: Error
}> {}

/** Puts a step's name in front of its error. */
export const step =
  (message: string) =>
  <A, E extends Error, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, StartFailed, R> =>
    Effect.mapError(effect, (cause) => new StartFailed({ message, cause }))

/** Keeps an error's own text as the step's. */
export const asIs = <A, E extends Error, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, StartFailed, R> =>
  Effect.mapError(effect, (error) =>
    error instanceof StartFailed ? error : new StartFailed({ message: error.message, ...causeOf(error) })
  )

const causeOf = (error: Error): { readonly cause?: Error } =>
  error.cause instanceof Error ? { cause: error.cause } : {}
