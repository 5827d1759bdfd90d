/**
 * Sockets: binding them, and closing them within a limit.
 */
import { createServer, type RequestListener, type Server } from "node:http"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Audience } from "./api/Endpoint.ts"

/** Somebody else has the port. */
export class PortInUse extends Data.TaggedError("PortInUse")<{ readonly server: Audience; readonly port: number }> {
  override get message() {
    return `the ${this.server} HTTP server cannot listen on port ${this.port}: it is in use`
  }
}

export class CannotListen extends Data.TaggedError("CannotListen")<{
  readonly server: Audience
  readonly host: string
  readonly port: number
  readonly code: string
}> {
  override get message() {
    return `the ${this.server} HTTP server cannot listen at ${this.host} port ${this.port}: ${this.code}`
  }
}

/** Nothing but the exit of the process ends an idle connection before its client does: pools keep theirs for 90 s. */
const KEEP_ALIVE_MS = 120_000
const HEADERS_MS = 60_000
const MAX_HEADER_BYTES = 64 * 1024

/** What a machine without IPv6 answers, or one without that very address. */
const NO_SUCH_ADDRESS: ReadonlySet<string> = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL", "EPROTONOSUPPORT"])

export interface Listener {
  readonly server: Server
  readonly host: string
  readonly port: number
}

const create = (handler: RequestListener): Server => {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, requireHostHeader: false }, handler)
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.headersTimeout = HEADERS_MS
  // `/configure`, `/terminate` and `/promote` answer when they are done.
  server.requestTimeout = 0
  server.timeout = 0
  return server
}

const listen = (audience: Audience, host: string, port: number, handler: RequestListener) =>
  Effect.async<Listener, PortInUse | CannotListen>((resume) => {
    const server = create(handler)
    server.once("error", (error: NodeJS.ErrnoException) => {
      const code = error.code ?? error.message
      resume(
        code === "EADDRINUSE"
          ? new PortInUse({ server: audience, port })
          : new CannotListen({ server: audience, host, port, code })
      )
    })
    server.listen({ host, port }, () => {
      const address = server.address()
      server.removeAllListeners("error")
      server.on("error", () => {})
      resume(
        Effect.succeed({ server, host, port: typeof address === "object" && address !== null ? address.port : port })
      )
    })
  })

/** What has been answered may take this long to get out. */
const FLUSH_MS = 250
const FLUSH_STEP_MS = 5

/** Accepts nothing more, ends what is idle, and after `settled` what has not become idle by then. */
const close = (server: Server, settled: Effect.Effect<void>) =>
  Effect.gen(function* () {
    let closed = false
    server.close(() => {
      closed = true
    })
    server.closeIdleConnections()
    yield* settled
    for (let waited = 0; !closed && waited < FLUSH_MS; waited += FLUSH_STEP_MS) {
      server.closeIdleConnections()
      yield* Effect.sleep(FLUSH_STEP_MS)
    }
    server.closeAllConnections()
  })

/** Listens until the scope closes. */
export const bind = (
  audience: Audience,
  host: string,
  port: number,
  handler: RequestListener,
  settled: Effect.Effect<void>
): Effect.Effect<Listener, PortInUse | CannotListen, Scope.Scope> =>
  Effect.acquireRelease(listen(audience, host, port, handler), ({ server }) => close(server, settled))

/** `[::]:3080`, `127.0.0.1:3081` */
export const display = ({ host, port }: Pick<Listener, "host" | "port">): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

export const lacksAddress = (error: PortInUse | CannotListen): boolean =>
  error._tag === "CannotListen" && NO_SUCH_ADDRESS.has(error.code)
