/**
 * A listening socket whose connections are fibers of its scope: closing the scope ends them all.
 */
import { createServer, type Server, type Socket } from "node:net"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"

export class ListenFailed extends Data.TaggedError("ListenFailed")<{
  readonly message: string
  readonly port: number
}> {}

/** Port 0 takes a free one; the answer is the port taken. */
export const listen = (server: Server, host: string, port: number): Effect.Effect<number, ListenFailed> =>
  Effect.callback((resume) => {
    const failed = (cause: Error) =>
      resume(Effect.fail(new ListenFailed({ message: `cannot listen on ${host}:${port}: ${cause.message}`, port })))
    server.once("error", failed)
    server.listen(port, host, () => {
      server.removeListener("error", failed)
      const address = server.address()
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
    })
  })

/** Serves each connection with `handle`; when that ends, so does the connection. */
export const serve = (
  host: string,
  port: number,
  handle: (socket: Socket) => Effect.Effect<void>
): Effect.Effect<{ readonly port: number }, ListenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<never, void>()
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on("error", () => {})
      run(
        Effect.ensuring(
          handle(socket),
          Effect.sync(() => socket.destroySoon())
        )
      )
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
    return { port: yield* listen(server, host, port) }
  })
