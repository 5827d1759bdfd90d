/**
 * For who starts a compute and may be killed: it holds the other end of our standard input. When that closes, it is gone, and
 * the compute ends in order, as by SIGTERM.
 */
import * as net from "node:net"
import * as Effect from "effect/Effect"
import { StopRequests } from "./StopRequests.ts"

/** `stdin`: the compute lives as long as its standard input, a pipe, is open. */
export const TETHER = "COMPUTE_CTL_TETHER"

const STDIN = 0

/** Until the scope closes. */
export const handleTether = Effect.gen(function* () {
  const stops = yield* StopRequests
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const cut = () =>
    run(
      Effect.logWarning("whoever has started this compute is gone").pipe(
        Effect.andThen(stops.request({ _tag: "Signal", signal: "SIGTERM", immediate: false }))
      )
    )
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const tether = new net.Socket({ fd: STDIN, readable: true, writable: false })
      tether.once("close", cut)
      tether.on("error", () => undefined)
      // It alone keeps no process alive.
      return tether.unref().resume()
    }),
    (tether) =>
      Effect.sync(() => {
        tether.off("close", cut)
        tether.destroy()
      })
  )
})
