/**
 * TLS over a connected socket. A module of its own, because most sessions are plain and `node:tls` is not free to load.
 */
import * as net from "node:net"
import * as tls from "node:tls"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { messageOf } from "../../../domain/observe/ErrorChain.ts"
import type { ConnectionString } from "../../../domain/postgres/ConnectionString.ts"
import { limits, readBytes } from "../../machine/RegularFile.ts"
import { connectFailed, type WireFailed } from "./errors.ts"

const fileOf = (path: string | null): Effect.Effect<Buffer | undefined, WireFailed> =>
  path === null || path === "system"
    ? Effect.succeed(undefined)
    : Effect.mapError(readBytes(path, limits.credentials), ({ message }) => connectFailed(message))

/** What is no key or certificate is refused by a throw. */
const attempted = <A>(connect: () => A): Effect.Effect<A, WireFailed> =>
  Effect.try({
    try: connect,
    catch: (error) => connectFailed(`error performing TLS handshake: ${messageOf(error)}`)
  })

export const secure = (
  socket: net.Socket,
  host: string,
  connection: ConnectionString
): Effect.Effect<net.Socket, WireFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const ca = yield* fileOf(connection.sslrootcert)
    const cert = yield* fileOf(connection.sslcert)
    const key = yield* fileOf(connection.sslkey)
    const verifies = connection.sslmode === "verify-ca" || connection.sslmode === "verify-full"
    const encrypted = yield* Effect.acquireRelease(
      attempted(() => {
        const session = tls.connect({
          socket,
          host,
          rejectUnauthorized: verifies,
          ...(net.isIP(host) === 0 && { servername: host }),
          ...(ca !== undefined && { ca }),
          ...(cert !== undefined && { cert }),
          ...(key !== undefined && { key }),
          ...(connection.sslmode === "verify-ca" && { checkServerIdentity: () => undefined })
        })
        session.on("error", () => {})
        return session
      }),
      (session) => Effect.sync(() => session.destroySoon())
    )
    yield* Effect.callback<void, WireFailed>((resume) => {
      const failed = (error: Error) =>
        resume(Effect.fail(connectFailed(`error performing TLS handshake: ${error.message}`)))
      encrypted.once("error", failed)
      encrypted.once("close", () => failed(new Error("connection closed")))
      encrypted.once("secureConnect", () => {
        encrypted.off("error", failed)
        resume(Effect.void)
      })
    })
    return encrypted
  })
