import * as Effect from "effect/Effect"
import type { TimedStep } from "../../domain/observe/Outcome.ts"
import { type Metrics, timed } from "../../layers/observe/Metrics.ts"

/** A phase of the start: told how long it took, however it ended, and a span. Spans have the original's names, if it has one. */
export const phase =
  (name: TimedStep, span: string = name) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Metrics> =>
    effect.pipe(timed(name), Effect.withSpan(span))
