/**
 * TLS over a connected socket. A module of its own, because most sessions are plain and `node:tls` is not free to load.
 */
import * as net from "node:net"
import * as tls from "node:tls"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { limits, readBytes } from "../../machine/RegularFile.ts"
import type { ConnectionString } from "./ConnectionString.ts"
import { connectFailed, type WireFailed } from "./WireFailed.ts"

const certificates = (path: string | null): Effect.Effect<Buffer | undefined, WireFailed> =>
  path === null || path === "system"
    ? Effect.succeed(undefined)
    : Effect.mapError(readBytes(path, limits.credentials), ({ message }) => connectFailed(message))

export const secure = (
  socket: net.Socket,
  host: string,
  connection: ConnectionString
): Effect.Effect<net.Socket, WireFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const ca = yield* certificates(connection.sslrootcert)
    const verifies = connection.sslmode === "verify-ca" || connection.sslmode === "verify-full"
    const encrypted = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const session = tls.connect({
          socket,
          rejectUnauthorized: verifies,
          ...(net.isIP(host) === 0 && { servername: host }),
          ...(ca !== undefined && { ca }),
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
