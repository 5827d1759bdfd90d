import { createServer } from "node:net"
import * as Effect from "effect/Effect"

/** Below the range that the system takes ports for `listen(0)` and outgoing connections from: nobody gets ours by chance. */
const lowest = 12_000
const highest = 32_000
const taken = new Set<number>()

const isFree = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, () => server.close(() => resume(Effect.succeed(true))))
  })

/** A port that was free on all addresses a moment ago, and a different one each time. */
export const freePort: Effect.Effect<number> = Effect.gen(function* () {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    if (taken.has(port)) continue
    taken.add(port)
    if (yield* isFree(port)) return port
  }
})

/** Several different ones. */
export const freePorts = (count: number): Effect.Effect<ReadonlyArray<number>> =>
  Effect.replicateEffect(freePort, count)
