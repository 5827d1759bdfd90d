/**
 * Errors that reached nobody: thrown in an event handler, outside of any fiber, or of a promise that nobody awaits. The state
 * of what threw is unknown, so the compute ends, but in order: the runtime's own way would leave Postgres alone.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { StopRequests } from "../../compute/stop/StopRequests.ts"
import { endProcess } from "./EndOfProcess.ts"

/** Of each process; one that throws in a loop must not fill the log as well. */
const MOST_LOGGED = 20
/** Milliseconds for a shutdown in order, which may be what is broken. */
const PATIENCE = 120_000

export class Uncaught extends Context.Service<
  Uncaught,
  {
    /** How many there were so far. */
    readonly count: Effect.Effect<number>
  }
>()("compute/Uncaught") {
  /** Catches them until the scope closes. */
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

function* make() {
  const stops = yield* StopRequests
  const run = Effect.runForkWith(yield* Effect.context<never>())
  let count = 0
  const onError = (error: unknown, origin: string) => {
    count += 1
    if (count === 1) setTimeout(() => void endProcess(1), PATIENCE).unref()
    const say =
      count > MOST_LOGGED
        ? Effect.void
        : Effect.logError(
            origin === "unhandledRejection" ? "a promise that nobody awaited failed" : "an error that nobody caught",
            Cause.die(error)
          )
    run(Effect.andThen(say, stops.request({ _tag: "Crashed" })))
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("uncaughtException", onError)),
    () => Effect.sync(() => process.off("uncaughtException", onError))
  )
  return Uncaught.of({ count: Effect.sync(() => count) })
}
