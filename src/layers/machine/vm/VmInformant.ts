/**
 * `vm-informant`, the predecessor of vm-monitor: where a machine's image has one, it runs beside Postgres.
 *
 * Source: `compute_tools/src/bin/compute_ctl.rs`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Children, describeEnd } from "../child/Children.ts"
import { isThere } from "../isThere.ts"
import { Places } from "../Places.ts"

export class VmInformant extends Context.Service<
  VmInformant,
  {
    /** Runs the program, again and again; ends at once where there is none. A service loop. */
    readonly serve: Effect.Effect<void>
  }
>()("compute/VmInformant") {
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => make)
  )
}

const PAUSE = "5 seconds"

const make = Effect.gen(function* () {
  const children = yield* Children
  const { vmInformant: program } = yield* Places
  const once = Effect.gen(function* () {
    const child = yield* children.spawn(program, { stdin: "ignore", stdout: "log", stderr: "log" })
    yield* Effect.logInfo(`vm-informant runs with pid ${child.pid}`)
    const ended = yield* child.ended
    yield* Effect.logWarning(`vm-informant ended with ${describeEnd(ended)}, again in ${PAUSE}`)
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => Effect.logWarning(`${error.message}, again in ${PAUSE}`))
  )

  return VmInformant.of({
    serve: Effect.flatMap(isThere(program), (there) =>
      there ? Effect.forever(Effect.andThen(once, Effect.sleep(PAUSE))) : Effect.void
    )
  })
})
