/**
 * Gives an empty compute its configuration, and tells what it came to.
 */
import * as Effect from "effect/Effect"
import * as Compute from "../src/Compute.ts"

export const start = (target: Compute.Target, configuration: Compute.ComputeConfiguration) =>
  Effect.gen(function* () {
    const compute = yield* Compute.make(target)
    yield* compute.awaitStatus("empty", { limit: "30 seconds" })
    const { status } = yield* compute.configure(configuration)
    return status
  }).pipe(
    Effect.catchTags({
      Unauthorized: () => Effect.succeed("this is not its token"),
      BadRequest: ({ error }) => Effect.succeed(`the spec is not valid: ${error}`),
      WrongStatus: ({ error }) => Effect.succeed(`somebody was faster: ${error}`),
      Failed: ({ error }) => Effect.succeed(`it did not start: ${error}`)
    })
  )
