import { createServer } from "node:net"
import * as Effect from "effect/Effect"

/** A port that was free on all addresses a moment ago. */
export const freePort: Effect.Effect<number> = Effect.async((resume) => {
  const server = createServer()
  server.listen(0, () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** Several different ones. */
export const freePorts = (count: number): Effect.Effect<ReadonlyArray<number>> =>
  Effect.gen(function* () {
    const found = new Set<number>()
    while (found.size < count) found.add(yield* freePort)
    return Array.from(found)
  })
