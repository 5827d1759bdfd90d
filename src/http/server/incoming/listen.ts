/**
 * Sockets: binding them, and closing them within a limit.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connections } from "../../../layers/http/connections/Connections.ts"
import type { Audience } from "../../api/traits.ts"

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

const MAX_HEADER_BYTES = 64 * 1024
/** As many as the original takes. */
const MAX_HEADERS = 100
/** Bytes that are buffered on each side of a connection. */
const BUFFERED = 16 * 1024
/** A client that has vanished without a word is noticed by the system, a silent one is kept. */
const PROBED_AFTER_MS = 300_000

/** What a machine without IPv6 answers, or one without that very address. */
const NO_SUCH_ADDRESS: ReadonlySet<string> = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL", "EPROTONOSUPPORT"])

export interface Listener {
  readonly server: Server
  readonly host: string
  readonly port: number
}

/** HTTP/1.0 has no chunks: whoever passes it on may take the body for further requests. */
const isAmbiguous = ({ headers, httpVersion }: IncomingMessage): boolean =>
  httpVersion === "1.0" && headers["transfer-encoding"] !== undefined

const limited =
  (handler: RequestListener): RequestListener =>
  (message, answer) => {
    const refuse = (status: number) => answer.writeHead(status, { connection: "close", "content-length": 0 }).end()
    if (message.rawHeaders.length > 2 * MAX_HEADERS) return refuse(431)
    return isAmbiguous(message) ? refuse(400) : handler(message, answer)
  }

/**
 * No timeout: the original keeps a silent connection and a slow body for as long as the client does, and pools rely on it.
 * What bounds them are the limits of `Connections`.
 */
const create = (handler: RequestListener, connections: Connections): Server => {
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    requireHostHeader: false,
    highWaterMark: BUFFERED,
    keepAlive: true,
    keepAliveInitialDelay: PROBED_AFTER_MS
  })
  server.maxHeadersCount = MAX_HEADERS + 1
  server.keepAliveTimeout = 0
  server.headersTimeout = 0
  server.requestTimeout = 0
  server.timeout = 0
  connections.guard(server, limited(handler))
  return server
}

/** What a server answers with, and by which limits. */
export interface Serving {
  readonly handler: RequestListener
  readonly connections: Connections
  /** Waits for the requests at work. */
  readonly settled: Effect.Effect<void>
}

const listen = (audience: Audience, host: string, port: number, { connections, handler }: Serving) =>
  Effect.callback<Listener, PortInUse | CannotListen>((resume) => {
    const server = create(handler, connections)
    server.once("error", (error: NodeJS.ErrnoException) => {
      const code = error.code ?? error.message
      resume(
        code === "EADDRINUSE"
          ? Effect.fail(new PortInUse({ server: audience, port }))
          : Effect.fail(new CannotListen({ server: audience, host, port, code }))
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

/** Accepts nothing more, ends what is idle or becomes so, and after `settled` what is not idle by then. */
const close = Effect.fnUntraced(function* (server: Server, { connections, settled }: Serving) {
  let closed = false
  server.close(() => {
    closed = true
  })
  connections.leave()
  yield* settled
  for (let waited = 0; !closed && waited < FLUSH_MS; waited += FLUSH_STEP_MS) yield* Effect.sleep(FLUSH_STEP_MS)
  connections.destroy()
})

/** Listens until the scope closes. */
export const bind = (
  audience: Audience,
  host: string,
  port: number,
  serving: Serving
): Effect.Effect<Listener, PortInUse | CannotListen, Scope.Scope> =>
  Effect.acquireRelease(listen(audience, host, port, serving), ({ server }) => close(server, serving))

/** `[::]:3080`, `127.0.0.1:3081` */
export const display = ({ host, port }: Pick<Listener, "host" | "port">): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

export const lacksAddress = (error: PortInUse | CannotListen): boolean =>
  error._tag === "CannotListen" && NO_SUCH_ADDRESS.has(error.code)
