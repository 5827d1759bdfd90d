/**
 * The HTTP servers of the emulator: routes of the library's router, with the faults every emulated peer understands.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Fault from "../Fault.ts"
import { sendRaw } from "../raw.ts"
import type { World } from "../World.ts"
import * as Delivery from "../wire/Delivery.ts"
import { type ListenFailed, listen } from "./TcpServer.ts"

export type Request = HttpServerRequest.HttpServerRequest
export type Response = HttpServerResponse.HttpServerResponse

export const text = (status: number, body: string): Response =>
  HttpServerResponse.text(body, { status, contentType: "text/plain; charset=utf-8" })

export const json = (status: number, value: object): Response => HttpServerResponse.jsonUnsafe(value, { status })

export const bytes = (body: Uint8Array): Response =>
  HttpServerResponse.uint8Array(body, { contentType: "application/octet-stream" })

/** Without the query. */
export const pathOf = ({ url }: Request): string => new URL(url, "http://emulator").pathname

/** What the client has hung up on is of no use to anybody. */
export const bodyOf = (request: Request): Effect.Effect<Buffer> =>
  request.arrayBuffer.pipe(
    Effect.map((body) => Buffer.from(body)),
    Effect.catch(() => Effect.interrupt)
  )

const silence = (incoming: IncomingMessage): Effect.Effect<never> =>
  Effect.callback((resume) => {
    incoming.socket.once("close", () => resume(Effect.interrupt))
  })

/** Paths as they are sent. */
const exact = { ignoreTrailingSlash: false, ignoreDuplicateSlashes: false, caseSensitive: true, maxParamLength: 10_000 }

interface Exchange {
  readonly request: Request
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/** The answer as the faults have it; what the library sends after it goes nowhere. */
const deliver = (
  { incoming, outgoing }: Exchange,
  response: Response,
  actions: ReadonlyArray<Fault.Action>
): Effect.Effect<Response> =>
  Effect.gen(function* () {
    const whole = Buffer.from(response.body._tag === "Uint8Array" ? response.body.body : [])
    const delivery = Delivery.plan(whole, actions)
    if (Delivery.isPlain(delivery, whole)) return response
    outgoing.writeHead(response.status, { ...response.headers, "content-length": whole.length })
    yield* Delivery.send(delivery, (slice) =>
      Effect.callback<void>((resume) => {
        outgoing.write(slice, () => resume(Effect.void))
      })
    )
    if (delivery.ending._tag === "Complete") outgoing.end()
    else if (delivery.ending._tag === "Silence") yield* silence(incoming)
    else incoming.socket.resetAndDestroy()
    return response
  })

interface Faulty {
  readonly world: World
  readonly peer: Fault.Peer
}

/** `error`'s code is the HTTP status. */
const struck = Effect.fnUntraced(function* <E>(
  { peer, world }: Faulty,
  { incoming, outgoing, request }: Exchange,
  handler: Effect.Effect<Response, E>
) {
  yield* bodyOf(request)
  const { authorization } = request.headers
  const detail = authorization === undefined ? {} : { authorization }
  const actions = yield* world.heed({
    peer,
    member: 0,
    what: "request",
    text: `${request.method} ${request.url}`,
    detail
  })
  const raw = Fault.find(actions, "raw")
  if (raw !== undefined) {
    yield* sendRaw(incoming.socket, raw)
    incoming.socket.destroySoon()
    return yield* silence(incoming)
  }
  if (Fault.atOnce(actions, "silence") !== undefined) return yield* silence(incoming)
  const error = Fault.atOnce(actions, "error")
  if (error !== undefined) return text(Number(error.code), error.message)
  if (Fault.find(actions, "missing") !== undefined) return text(404, "not found")
  if (Fault.find(actions, "denied") !== undefined) return text(401, "unauthorized")
  return yield* deliver({ incoming, outgoing, request }, yield* handler, actions)
})

const withFaults = (faulty: Faulty) =>
  HttpRouter.middleware(
    (handler) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
        const exchange = {
          request,
          incoming: NodeHttpServerRequest.toIncomingMessage(request) as IncomingMessage,
          outgoing: NodeHttpServerRequest.toServerResponse(request) as ServerResponse
        }
        return struck(faulty, exchange, handler)
      }),
    { global: true }
  )

/** Serves until the scope closes. With `faulty` the peer's faults act. */
export const serveHttp = (
  host: string,
  port: number,
  routes: Layer.Layer<never, never, HttpRouter.HttpRouter>,
  faulty?: Faulty
): Effect.Effect<{ readonly port: number }, ListenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const app = yield* HttpRouter.toHttpEffect(
      faulty === undefined ? routes : Layer.merge(routes, withFaults(faulty))
    ).pipe(Effect.provideService(HttpRouter.RouterConfig, exact))
    const server = createServer(yield* NodeHttpServer.makeHandler(app, { scope }))
    server.on("connection", (socket) => {
      socket.on("error", () => {})
      if (faulty?.world.refuses(faulty.peer, 0) === true) socket.resetAndDestroy()
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
    )
    return { port: yield* listen(server, host, port) }
  })
