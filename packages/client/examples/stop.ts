/**
 * Stops a compute that nobody has used for a while, and tells where its log ends.
 */
import * as Effect from "effect/Effect"
import * as Compute from "../src/Compute.ts"

export const stop = (target: Compute.Target, idleSeconds: number) =>
  Effect.gen(function* () {
    const compute = yield* Compute.make(target)
    const { lsn } = yield* compute.terminate({ mode: "fast", ifIdle: idleSeconds })
    return `stopped at ${lsn}`
  }).pipe(Effect.catchTag("InUse", ({ reasons }) => Effect.succeed(`still in use: ${reasons.join(", ")}`)))
