/**
 * A plain HTTP/1.1 server on `node:http`, with the faults every emulated HTTP peer understands.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as Fault from "../Fault.ts"
import { sendRaw } from "../raw.ts"
import type { World } from "../World.ts"
import * as Delivery from "../wire/Delivery.ts"
import { type ListenFailed, listen } from "./TcpServer.ts"

export interface Request {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage["headers"]
  readonly body: Buffer
}

export interface Response {
  readonly status: number
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body: Buffer | string
}

export const text = (status: number, body: string): Response => ({ status, type: "text/plain; charset=utf-8", body })

export const json = (status: number, value: object): Response => ({
  status,
  type: "application/json",
  body: JSON.stringify(value)
})

const readBody = (incoming: IncomingMessage): Effect.Effect<Buffer> =>
  Effect.callback((resume) => {
    const parts: Array<Buffer> = []
    incoming.on("data", (part: Buffer) => parts.push(part))
    incoming.on("end", () => resume(Effect.succeed(Buffer.concat(parts))))
    incoming.on("close", () => resume(Effect.interrupt))
  })

const head = (outgoing: ServerResponse, response: Response, length: number): void => {
  outgoing.writeHead(response.status, {
    ...(response.type === undefined ? {} : { "content-type": response.type }),
    ...response.headers,
    "content-length": length
  })
}

const silence = (incoming: IncomingMessage): Effect.Effect<never> =>
  Effect.callback((resume) => {
    incoming.socket.once("close", () => resume(Effect.interrupt))
  })

const answer = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  response: Response,
  actions: ReadonlyArray<Fault.Action>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const bytes = Buffer.from(response.body)
    const delivery = Delivery.plan(bytes, actions)
    yield* Effect.sync(() => head(outgoing, response, bytes.length))
    yield* Delivery.send(delivery, (slice) =>
      Effect.callback<void>((resume) => {
        outgoing.write(slice, () => resume(Effect.void))
      })
    )
    if (delivery.ending._tag === "Complete") yield* Effect.sync(() => outgoing.end())
    else if (delivery.ending._tag === "Silence") yield* silence(incoming)
    else yield* Effect.sync(() => incoming.socket.resetAndDestroy())
  })

/**
 * Serves until the scope closes. With `faults` the peer's faults act: `error`'s code is the HTTP status.
 */
export const serveHttp = (
  host: string,
  port: number,
  handle: (request: Request, actions: ReadonlyArray<Fault.Action>) => Effect.Effect<Response>,
  faults?: { readonly world: World; readonly peer: Fault.Peer }
): Effect.Effect<{ readonly port: number }, ListenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<never, void>()
    const serve = (incoming: IncomingMessage, outgoing: ServerResponse) =>
      Effect.gen(function* () {
        const url = new URL(incoming.url ?? "/", "http://emulator")
        const request: Request = {
          method: incoming.method ?? "GET",
          path: url.pathname,
          query: url.searchParams,
          headers: incoming.headers,
          body: yield* readBody(incoming)
        }
        const line = `${request.method} ${incoming.url ?? "/"}`
        if (faults === undefined) return yield* answer(incoming, outgoing, yield* handle(request, []), [])
        const { world, peer } = faults
        world.note({
          peer,
          member: 0,
          what: "request",
          text: line,
          detail: incoming.headers.authorization === undefined ? {} : { authorization: incoming.headers.authorization }
        })
        const actions = world.actions(peer, 0, line)
        const delay = Fault.find(actions, "delay")
        if (delay !== undefined) yield* Effect.sleep(delay.ms)
        const raw = Fault.find(actions, "raw")
        if (raw !== undefined) {
          yield* sendRaw(incoming.socket, raw)
          return yield* Effect.sync(() => incoming.socket.destroySoon())
        }
        const mute = Fault.find(actions, "silence")
        if (mute !== undefined && mute.after === undefined) return yield* silence(incoming)
        const error = Fault.find(actions, "error")
        if (error !== undefined && error.after === undefined) {
          return yield* answer(incoming, outgoing, text(Number(error.code), error.message), [])
        }
        if (Fault.find(actions, "missing") !== undefined) {
          return yield* answer(incoming, outgoing, text(404, "not found"), [])
        }
        if (Fault.find(actions, "denied") !== undefined) {
          return yield* answer(incoming, outgoing, text(401, "unauthorized"), [])
        }
        yield* answer(incoming, outgoing, yield* handle(request, actions), actions)
      })
    const server = createServer((incoming, outgoing) => void run(serve(incoming, outgoing)))
    server.on("connection", (socket) => {
      socket.on("error", () => {})
      if (faults?.world.refuses(faults.peer, 0) === true) socket.resetAndDestroy()
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
    )
    return { port: yield* listen(server, host, port) }
  })
