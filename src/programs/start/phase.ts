import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { startPhaseSeconds } from "../../domain/observe/MetricFamilies.ts"
import { Metrics } from "../../layers/observe/Metrics.ts"

const outcome = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isSuccess(exit) ? "ok" : Exit.hasInterrupts(exit) ? "interrupted" : "failed"

/**
 * A phase of the start: its duration in the histogram, however it ended, and a span. Spans are called as the original's
 * are, where it has one.
 */
export const phase =
  (name: string, span: string = name) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Metrics> =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      const begun = yield* Clock.currentTimeNanos
      const observe = (exit: Exit.Exit<unknown, unknown>) =>
        Effect.flatMap(Clock.currentTimeNanos, (now) =>
          metrics.observe(startPhaseSeconds, { phase: name, outcome: outcome(exit) }, Number(now - begun) / 1e9)
        )
      return yield* Effect.onExit(effect, observe)
    }).pipe(Effect.withSpan(span))
