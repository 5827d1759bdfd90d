/**
 * Signals to this process. SIGTERM and SIGINT ask for a fast stop, SIGQUIT and any second signal for an immediate one;
 * SIGHUP is passed on to Postgres as a reload. Whatever else would end the process by default stops it in order, or does
 * nothing: nobody may leave Postgres alone by a signal.
 *
 * Not here: SIGKILL and SIGSTOP, which nobody can hear, and SIGSEGV, SIGBUS, SIGFPE and SIGILL, which come of a fault of our
 * own: the instruction at fault would run again after each call of a handler; and 32, which the C library keeps for itself
 * and lets nobody ask for. Postgres ends with us then.
 */
import * as Effect from "effect/Effect"
import { Postmaster } from "../../postgres/Postmaster.ts"
import { onRealTimeSignals } from "../clock/realTime.ts"
import { StopRequests } from "./StopRequests.ts"

type Handler = (signal: NodeJS.Signals, number: number) => void

const on = (signals: ReadonlyArray<NodeJS.Signals>, handler: Handler) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      for (const signal of signals) process.on(signal, handler)
    }),
    () =>
      Effect.sync(() => {
        for (const signal of signals) process.off(signal, handler)
      })
  )

/**
 * SIGPWR is how some containers are asked to stop, SIGXCPU the last word before a limit is enforced, SIGABRT a watchdog's.
 * An `abort` of our own still ends the process: it takes the handler away and tries again.
 */
const STOPPING = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGPWR", "SIGXCPU", "SIGABRT", "SIGTRAP", "SIGSYS"] as const

const MEANINGLESS = [
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGPROF",
  "SIGIO",
  "SIGSTKFLT",
  "SIGXFSZ",
  "SIGPIPE"
] as const

/** Asks to stop when a signal says so, until the scope closes. */
export const handleSignals = Effect.gen(function* () {
  const stops = yield* StopRequests
  const run = Effect.runForkWith(yield* Effect.context<never>())
  let received = 0
  const onStop = (signal: NodeJS.Signals, number: number) => {
    received += 1
    const immediate = received > 1 || signal === "SIGQUIT"
    run(
      Effect.logInfo(`received ${number} termination signal`).pipe(
        Effect.andThen(stops.request({ _tag: "Signal", signal, immediate }))
      )
    )
  }
  // Once each: whoever sends them may send many.
  const ignored = new Set<number>()
  const ignore = (number: number) => {
    if (ignored.has(number)) return
    ignored.add(number)
    run(Effect.logInfo(`received signal ${number}, which has no meaning here`))
  }
  yield* on(STOPPING, onStop)
  yield* on(MEANINGLESS, (_, number) => ignore(number))
  // A reload is for a Postgres; before there is one, and after, the signal must not end us.
  yield* on(["SIGHUP"], () => undefined)
  yield* Effect.acquireRelease(
    Effect.sync(() => onRealTimeSignals(ignore)),
    (stop) => Effect.sync(() => stop?.())
  )
})

/** Passes SIGHUP on, until the scope closes. */
export const handleReload = Effect.gen(function* () {
  const postmaster = yield* Postmaster
  const run = Effect.runForkWith(yield* Effect.context<never>())
  yield* on(["SIGHUP"], () =>
    run(Effect.flatMap(postmaster.current, (postgres) => (postgres === null ? Effect.void : postgres.reload)))
  )
})
