/**
 * Sockets to servers: without Nagle's delay, with keepalive probes, destroyed with their scope, under TLS when the
 * connection string wants it.
 */
import * as net from "node:net"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { Address, ConnectionString } from "../../../domain/postgres/ConnectionString.ts"
import { osText } from "../../machine/osText.ts"
import { connectFailed, type WireFailed } from "./errors.ts"
import { sslRequest } from "./Frames.ts"

/** Milliseconds of silence before the kernel probes the peer. */
const KEEPALIVE = 30_000

const connected = (address: Address): Effect.Effect<net.Socket, WireFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const socket = address.host.startsWith("/")
        ? net.connect({ path: `${address.host}/.s.PGSQL.${address.port}` })
        : net.connect({
            host: address.host,
            port: address.port,
            noDelay: true,
            keepAlive: true,
            keepAliveInitialDelay: KEEPALIVE
          })
      // Before anyone listens, and after everyone has stopped listening, an error must not be unhandled.
      socket.on("error", () => {})
      return socket
    }),
    (socket, exit) => Effect.sync(() => (Exit.isSuccess(exit) ? socket.destroySoon() : socket.destroy()))
  ).pipe(
    Effect.tap((socket) =>
      Effect.callback<void, WireFailed>((resume) => {
        const failed = (error: Error) => resume(Effect.fail(connectFailed(osText(error))))
        socket.once("error", failed)
        socket.once("connect", () => {
          socket.off("error", failed)
          resume(Effect.void)
        })
        return Effect.sync(() => socket.destroy())
      })
    )
  )

/** The server's one-byte answer to the request for TLS. */
const tlsOffered = (socket: net.Socket): Effect.Effect<boolean, WireFailed> =>
  Effect.callback<boolean, WireFailed>((resume) => {
    const settle = (result: Effect.Effect<boolean, WireFailed>) => {
      socket.removeListener("readable", read)
      socket.removeListener("close", closed)
      resume(result)
    }
    // One byte and no more: what follows it must be read inside the encrypted channel.
    const read = () => {
      const answer: unknown = socket.read(1)
      if (Buffer.isBuffer(answer)) settle(Effect.succeed(answer.toString("latin1") === "S"))
    }
    const closed = () => settle(Effect.fail(connectFailed("connection closed")))
    socket.on("readable", read)
    socket.once("close", closed)
    socket.write(sslRequest)
  })

const secured = (socket: net.Socket, host: string, connection: ConnectionString) =>
  Effect.flatMap(
    Effect.promise(() => import("./secure.ts")),
    ({ secure }) => secure(socket, host, connection)
  )

export const openSocket = (
  address: Address,
  connection: ConnectionString
): Effect.Effect<net.Socket, WireFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const socket = yield* connected(address)
    if (connection.sslmode === "disable" || address.host.startsWith("/")) return socket
    if (yield* tlsOffered(socket)) return yield* secured(socket, address.host, connection)
    if (connection.sslmode === "prefer") return socket
    return yield* connectFailed("server does not support TLS")
  })
