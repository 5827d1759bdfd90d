/**
 * The connections of one request: they close with its scope, whatever state they are in, and are never used again. There
 * are minutes between two requests.
 */
import * as http from "node:http"
import * as https from "node:https"
import type { Duplex } from "node:stream"
import { HttpAgent } from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

/** What comes after the connection, TLS first, is bounded by whoever waits for an answer. */
const bounded = (socket: Duplex, connect: number) => {
  const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${connect / 1000} s`)), connect)
  const stop = () => clearTimeout(timer)
  socket.once("connect", stop).once("close", stop)
}

/** `connect`: milliseconds. */
export const agents = Effect.fnUntraced(function* (proxy: Redacted.Redacted<URL> | null, connect: number) {
  const sockets = new Set<Duplex>()
  yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => void socket.destroy())))
  const through = proxy === null ? null : Redacted.value(proxy).href
  const options = {
    keepAlive: false,
    // The proxy was chosen by our rule: by these names Node takes it as it is, and digs the tunnel within the time.
    ...(through !== null && { proxyEnv: { http_proxy: through, https_proxy: through }, timeout: connect })
  }
  /** A tunnel that is being dug belongs to no request yet: the end of the request is not its end. */
  const watched = <A extends http.Agent>(agent: A): A => {
    const create = agent.createConnection.bind(agent)
    agent.createConnection = (given, callback) => {
      const socket = create(given, callback)
      if (!socket) return socket
      sockets.add(socket)
      socket.once("close", () => sockets.delete(socket))
      bounded(socket, connect)
      return socket
    }
    return agent
  }
  // One of them is asked for. To make the other would load TLS for nothing, which takes 20 ms of a start.
  return HttpAgent.of({
    get http() {
      return watched(new http.Agent(options))
    },
    get https() {
      return watched(new https.Agent(options))
    }
  })
})
