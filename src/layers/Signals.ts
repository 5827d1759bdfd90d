/**
 * Signals to this process. SIGTERM and SIGINT ask for a fast stop, SIGQUIT and any second signal for an immediate one;
 * SIGHUP is passed on to Postgres as a reload.
 */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { Postmaster } from "./Postmaster.ts"
import { StopRequests } from "./StopRequests.ts"

const STOPPING = ["SIGTERM", "SIGINT", "SIGQUIT"] as const

/** Handles signals until the scope closes. */
export const handleSignals = Effect.gen(function* () {
  const stops = yield* StopRequests
  const postmaster = yield* Postmaster
  const runtime = yield* Effect.runtime<never>()
  const run = Runtime.runFork(runtime)
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
  const onReload = () =>
    run(Effect.flatMap(postmaster.current, (postgres) => (postgres === null ? Effect.void : postgres.reload)))

  yield* Effect.acquireRelease(
    Effect.sync(() => {
      for (const signal of STOPPING) process.on(signal, onStop)
      process.on("SIGHUP", onReload)
    }),
    () =>
      Effect.sync(() => {
        for (const signal of STOPPING) process.off(signal, onStop)
        process.off("SIGHUP", onReload)
      })
  )
})
