/**
 * The WebSocket server at `/monitor`.
 */
import { createServer } from "node:http"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { type WebSocket, WebSocketServer } from "ws"
import * as Connections from "../../http/connections/Connections.ts"
import type { Metrics } from "../../observe/Metrics.ts"

/** The server could not listen, or its address is not one. */
export class VmMonitorFailed extends Data.TaggedError("VmMonitorFailed")<{ readonly message: string }> {}

/** The agent's messages have a hundred bytes. */
const MAX_PAYLOAD = 64 * 1024
/** An agent that sends faster than it is answered is not one. */
const MAX_PENDING = 64

/** There is one agent; others may look for it. */
const MAX_CONNECTIONS = 64
/** Of a request's head. */
const MAX_HEADER_BYTES = 16 * 1024

/** One agent's connection. */
export interface AgentSocket {
  readonly peer: string
  /** Text frames; null once the connection has ended. */
  readonly receive: Effect.Effect<string | null>
  readonly send: (text: string) => Effect.Effect<void>
}

const parseAddress = (address: string) => {
  const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? []
  return host === undefined || port === undefined ? null : { host: host.replace(/^\[|\]$/g, ""), port: Number(port) }
}

const socketOf = Effect.fnUntraced(function* (socket: WebSocket, peer: string) {
  const inbox = yield* Queue.unbounded<string | null>()
  const ended = yield* Deferred.make<null>()
  const end = () => {
    Deferred.doneUnsafe(ended, Effect.succeed(null))
  }
  socket.on("error", end)
  socket.on("close", end)
  socket.on("message", (data, isBinary) => {
    if (isBinary) return
    const pending = Queue.size(inbox).pipe(Effect.runSync)
    if (pending >= MAX_PENDING) socket.terminate()
    else Queue.offerUnsafe(inbox, String(data))
  })
  socket.resume()
  const agent: AgentSocket = {
    peer,
    receive: Effect.raceFirst(Queue.take(inbox), Deferred.await(ended)),
    send: (text) =>
      Effect.callback<void>((resume) => {
        socket.send(text, () => resume(Effect.void))
      })
  }
  return agent
})

/**
 * Accepts agents for as long as the scope is open. `serve` runs in a fiber of its own and may be interrupted; the
 * connection is cut, without a farewell, when it ends.
 */
export const listen = (
  address: string,
  serve: (agent: AgentSocket) => Effect.Effect<void>
): Effect.Effect<void, VmMonitorFailed, Metrics | Scope.Scope> =>
  Effect.gen(function* () {
    const where = parseAddress(address)
    if (where === null) return yield* new VmMonitorFailed({ message: `not an address for vm-monitor: ${address}` })
    const connections = yield* Connections.make({ server: "vm-monitor", limit: MAX_CONNECTIONS, probes: [] })
    const agents = yield* Queue.unbounded<{ readonly socket: WebSocket; readonly peer: string }>()
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES })
        const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_PAYLOAD, autoPong: false })
        server.on("upgrade", (request, stream, head) => {
          stream.on("error", () => stream.destroy())
          if (request.url?.split("?")[0] !== "/monitor") {
            // Its client may never close its half.
            stream.once("finish", () => stream.destroy())
            stream.end("HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            return
          }
          sockets.handleUpgrade(request, stream, head, (socket) => {
            // It may send nonsense before anybody attends to it: an error without a listener would end the process.
            socket.on("error", () => {})
            // Whoever pings and does not read would fill our memory with answers.
            socket.on("ping", (data) => (socket.bufferedAmount > MAX_PAYLOAD ? socket.terminate() : socket.pong(data)))
            // Its first message may be here already: it is read when somebody attends to it.
            socket.pause()
            Queue.offerUnsafe(agents, { socket, peer: `${request.socket.remoteAddress}:${request.socket.remotePort}` })
          })
        })
        connections.guard(server, (request, response) => {
          const here = request.url?.split("?")[0] === "/monitor"
          response.writeHead(here ? 400 : 404, { connection: "close" }).end()
        })
        return { server, sockets }
      }),
      ({ server, sockets }) =>
        Effect.sync(() => {
          for (const socket of sockets.clients) socket.terminate()
          server.closeAllConnections()
          server.close()
        })
    ).pipe(
      Effect.tap(({ server }) =>
        Effect.callback<void, VmMonitorFailed>((resume) => {
          server.once("error", ({ message }) =>
            resume(Effect.fail(new VmMonitorFailed({ message: `vm-monitor cannot listen on ${address}: ${message}` })))
          )
          server.listen(where.port, where.host, () => resume(Effect.void))
        })
      )
    )
    yield* Effect.logInfo(`vm-monitor listens on ${address}`)

    const attend = ({ socket, peer }: { readonly socket: WebSocket; readonly peer: string }) =>
      Effect.flatMap(socketOf(socket, peer), serve).pipe(Effect.ensuring(Effect.sync(() => socket.terminate())))

    // One agent at a time: a new one takes the place of the old.
    yield* Effect.forkScoped(superseding(agents, attend))
  })

/** Runs `attend` on each item, interrupting the run before. */
const superseding = <A>(items: Queue.Dequeue<A>, attend: (item: A) => Effect.Effect<void>): Effect.Effect<never> =>
  Effect.gen(function* () {
    let item = yield* Queue.take(items)
    while (true) {
      const attended = Effect.andThen(attend(item), Effect.never)
      item = yield* Effect.raceFirst(Queue.take(items), attended)
    }
  })
