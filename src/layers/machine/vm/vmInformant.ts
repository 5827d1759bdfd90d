/**
 * `vm-informant`, the predecessor of vm-monitor: where a machine's image has one, it runs beside Postgres.
 *
 * Source: `compute_tools/src/bin/compute_ctl.rs`.
 */
import * as Effect from "effect/Effect"
import { Children, describeEnd } from "../child/Children.ts"
import { isThere } from "../isThere.ts"
import { Places } from "../Places.ts"

const PAUSE = "5 seconds"

/** Runs the program, again and again; ends at once where there is none. A service loop. */
export const serveVmInformant = Effect.gen(function* () {
  const children = yield* Children
  const { vmInformant: program } = yield* Places
  if (!(yield* isThere(program))) return
  const once = Effect.gen(function* () {
    const child = yield* children.spawn(program, { stdin: "ignore", stdout: "log", stderr: "log" })
    yield* Effect.logInfo(`vm-informant runs with pid ${child.pid}`)
    const ended = yield* child.ended
    yield* Effect.logWarning(`vm-informant ended with ${describeEnd(ended)}, again in ${PAUSE}`)
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => Effect.logWarning(`${error.message}, again in ${PAUSE}`))
  )
  yield* Effect.forever(Effect.andThen(once, Effect.sleep(PAUSE)))
})
