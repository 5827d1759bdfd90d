/**
 * Signals to this process. SIGTERM and SIGINT ask for a fast stop, SIGQUIT and any second signal for an immediate one;
 * SIGHUP is passed on to Postgres as a reload.
 */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { Postmaster } from "./Postmaster.ts"
import { StopRequests } from "./StopRequests.ts"

const on = (signal: NodeJS.Signals, handler: (signal: NodeJS.Signals, number: number) => void) =>
  Effect.acquireRelease(
    Effect.sync(() => process.on(signal, handler)),
    () => Effect.sync(() => process.off(signal, handler))
  )

const STOPPING = ["SIGTERM", "SIGINT", "SIGQUIT"] as const

/** Asks to stop when a signal says so, until the scope closes. */
export const handleSignals = Effect.gen(function* () {
  const stops = yield* StopRequests
  const run = Runtime.runFork(yield* Effect.runtime<never>())
  let received = 0
  const onStop = (signal: NodeJS.Signals, number: number) => {
    received += 1
    const immediate = received > 1 || signal === "SIGQUIT"
    run(
      Effect.logInfo(`received ${number} termination signal`).pipe(
        Effect.zipRight(stops.request({ _tag: "Signal", signal, immediate }))
      )
    )
  }
  yield* Effect.forEach(STOPPING, (signal) => on(signal, onStop), { discard: true })
})

/** Passes SIGHUP on, until the scope closes. */
export const handleReload = Effect.gen(function* () {
  const postmaster = yield* Postmaster
  const run = Runtime.runFork(yield* Effect.runtime<never>())
  yield* on("SIGHUP", () =>
    run(Effect.flatMap(postmaster.current, (postgres) => (postgres === null ? Effect.void : postgres.reload)))
  )
})
