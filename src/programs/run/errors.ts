import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { line, messages } from "../../domain/observe/ErrorChain.ts"
import type { MetricFamily } from "../../domain/observe/MetricFamilies.ts"
import { Metrics } from "../../layers/observe/Metrics.ts"

/** A step of an operation on the running compute failed; `message` is the text that the operation's state shows. */
export class OperationFailed extends Data.TaggedError("OperationFailed")<{ readonly message: string }> {}

/** Puts the step in front of an error's own text. */
export const doing =
  (step: string) =>
  <A, E extends Error, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, OperationFailed, R> =>
    Effect.mapError(effect, (error) => new OperationFailed({ message: line([step, ...messages(error)]) }))

/** The failure with its causes, outermost first; of a defect, what it says. */
export const failureChain = (cause: Cause.Cause<Error>): ReadonlyArray<string> =>
  messages(
    Option.getOrElse(Cause.findErrorOption(cause), () => {
      const defect = Cause.squash(cause)
      return defect instanceof Error ? defect : new OperationFailed({ message: String(defect) })
    })
  )

/** The same in one line. */
export const failureText = (cause: Cause.Cause<Error>): string => line(failureChain(cause))

/** A failure ends as the operation's state: counted, logged with `complaint`, shown with its chain. */
export const asState =
  (counter: MetricFamily, complaint: string) =>
  <A, R>(operation: Effect.Effect<A, Error, R>) =>
    Effect.catchCause(operation, (cause) =>
      Effect.gen(function* () {
        const metrics = yield* Metrics
        yield* metrics.increment(counter)
        yield* Effect.logError(complaint, cause)
        return { status: "failed", error: failureText(cause) } as const
      })
    )
