/**
 * Long work in slices: between two of them the event loop does what else there is, so that probes are answered while a spec
 * of 40 MB is read.
 */
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type { Steps } from "../../../domain/json/Steps.ts"

/** Milliseconds; what a probe waits beside one such work is twice that, once to be read and once to be answered. */
const SLICE = 5

/** Runs to the end at once when that takes less than a slice. */
export const inSlices = <A>(steps: Steps<A>): Effect.Effect<A> =>
  Effect.callback<A>((resume) => {
    let next: NodeJS.Immediate | undefined
    const slice = () => {
      const until = performance.now() + SLICE
      try {
        do {
          const { done, value } = steps.next()
          if (done === true) return resume(Effect.succeed(value))
        } while (performance.now() < until)
      } catch (defect) {
        return resume(Effect.die(defect))
      }
      next = setImmediate(slice)
    }
    slice()
    return Effect.sync(() => clearImmediate(next))
  })

/** As `inSlices`; a failure of the result is one of the effect. */
export const resultInSlices = <A, E>(steps: Steps<Result.Result<A, E>>): Effect.Effect<A, E> =>
  Effect.flatMap(inSlices(steps), (result) => Effect.fromResult(result))
