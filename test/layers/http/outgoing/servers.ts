/**
 * Servers and proxies in this process, and what they have seen.
 */
import * as fs from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import * as Effect from "effect/Effect"

const listening = <S extends net.Server, A>(server: S, more: A) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly sockets: Set<net.Socket> } & A>((resume) => {
      const sockets = new Set<net.Socket>()
      server.on("connection", (socket: net.Socket) => {
        sockets.add(socket)
        socket.on("error", () => {}).on("close", () => sockets.delete(socket))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, sockets, ...more }))
      })
    }),
    ({ sockets }) =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
  )

/** Writes these bytes to whoever has sent something, and leaves the connection open; `end` closes it. */
export const rawServer = (bytes: string, end = false) =>
  listening(
    net.createServer((socket) =>
      socket.once("data", () => {
        socket.write(bytes)
        if (end) socket.end()
      })
    ),
    {}
  )

type Handler = (response: http.ServerResponse, request: http.IncomingMessage) => void

export const httpServer = (answer: Handler) => {
  const seen: Array<http.IncomingMessage> = []
  const server = http.createServer((request, response) => {
    seen.push(request)
    answer(response, request)
  })
  return listening(server, { seen })
}

const fixture = (name: string) => fs.readFileSync(new URL(`../../../fixtures/tls/${name}`, import.meta.url))

/** That of `localhost`, signed by itself. */
export const certificate = fixture("ec.crt").toString()

export const httpsServer = (answer: Handler) => {
  const seen: Array<http.IncomingMessage> = []
  const server = https.createServer({ key: fixture("ec.key"), cert: fixture("ec.crt") }, (request, response) => {
    seen.push(request)
    answer(response, request)
  })
  return listening(server, { seen })
}

/** Digs tunnels to this machine, whatever host is asked for; `reply` says something else instead. */
export const tunnel = (reply?: string) => {
  const seen: Array<http.IncomingMessage> = []
  const server = http.createServer().on("connect", (request, client) => {
    seen.push(request)
    client.on("end", () => client.destroy())
    if (reply !== undefined) return void client.resume().write(reply)
    const target = net.connect(Number(request.url?.split(":").at(-1)), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n")
      target.pipe(client).pipe(target)
    })
    target.on("error", () => {}).on("close", () => client.destroy())
    client.on("error", () => target.destroy()).on("close", () => target.destroy())
  })
  return listening(server, { seen })
}
