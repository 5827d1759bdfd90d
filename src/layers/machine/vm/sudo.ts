/**
 * Tools of the virtual machine that only root may run. `sudo` lets us run exactly these, with no password.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { Children, describeEnd } from "../child/Children.ts"
import { Places } from "../Places.ts"

/** The tool could not be run, or said that it failed. */
export class ToolFailed extends Data.TaggedError("ToolFailed")<{
  readonly message: string
  /** It ran; whether what it did took effect is for its owner to say. */
  readonly ran: boolean
}> {}

const LIMIT = "60 seconds"

/** Runs the tool to its end, its output in our log. */
export const runAsRoot = (
  ...args: readonly [tool: string, ...ReadonlyArray<string>]
): Effect.Effect<void, ToolFailed, Children> =>
  Effect.gen(function* () {
    const children = yield* Children
    const { sudo } = yield* Places
    const child = yield* children.spawn(sudo, { args, stdin: "ignore", stdout: "log", stderr: "log" })
    const ended = yield* Effect.timeoutOrElse(child.ended, {
      duration: LIMIT,
      orElse: () => Effect.fail(new ToolFailed({ message: `${args[0]} did not end`, ran: true }))
    })
    if (ended._tag === "Exited" && ended.code === 0) return
    return yield* new ToolFailed({ message: `${args[0]} ended with ${describeEnd(ended)}`, ran: true })
  }).pipe(
    Effect.scoped,
    Effect.catchTag("SpawnFailed", ({ reason }) =>
      Effect.fail(new ToolFailed({ message: `could not run ${args[0]}: ${reason}`, ran: false }))
    )
  )
