/**
 * Ctrl-C while somebody was told to press it: then it means "go on", and at any other time "stop".
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { StopRequests } from "../compute/stop/StopRequests.ts"

export class Interrupts extends Context.Service<
  Interrupts,
  {
    /** Succeeds with the next SIGINT, which asks for no stop. */
    readonly next: Effect.Effect<void>
  }
>()("fastImport/Interrupts") {
  /** Stands before the requests to stop. */
  static readonly layer = Layer.effectContext(
    Effect.gen(function* () {
      const stops = yield* StopRequests
      let waiting: (() => void) | null = null
      const request: typeof stops.request = (reason) =>
        Effect.suspend(() => {
          if (waiting === null || reason._tag !== "Signal" || reason.signal !== "SIGINT") return stops.request(reason)
          waiting()
          return Effect.void
        })
      const next = Effect.callback<void>((resume) => {
        waiting = () => resume(Effect.void)
      }).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            waiting = null
          })
        )
      )
      return Context.make(StopRequests, { ...stops, request }).pipe(Context.add(Interrupts, { next }))
    })
  )
}
