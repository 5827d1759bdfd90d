/**
 * Requests over kept-alive connections, each connection one at a time, for a while. Plain sockets, so that the client
 * costs less than what it measures.
 */
import * as net from "node:net"
import * as Effect from "effect/Effect"

const CONNECTIONS = 16

/** Answers have a `content-length`; its end is the end of the answer. */
const answerLength = (text: Buffer): number | null => {
  const head = text.indexOf("\r\n\r\n")
  if (head < 0) return null
  const length = /content-length: (\d+)/i.exec(text.subarray(0, head).toString("latin1"))
  return head + 4 + Number(length?.[1] ?? 0)
}

const connection = (port: number, request: Buffer, until: number, count: () => void) =>
  new Promise<void>((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1")
    let received: Buffer = Buffer.alloc(0)
    const next = () => {
      if (performance.now() >= until) {
        socket.destroy()
        resolve()
      } else socket.write(request)
    }
    socket.setNoDelay(true)
    socket.on("connect", next)
    socket.on("error", reject)
    socket.on("data", (part: Buffer) => {
      received = Buffer.concat([received, part])
      const length = answerLength(received)
      if (length === null || received.length < length) return
      received = received.subarray(length)
      count()
      next()
    })
  })

/** Requests per second. */
export const throughput = (port: number, path: string, token: string | null, millis: number): Effect.Effect<number> =>
  Effect.promise(async () => {
    const authorization = token === null ? "" : `Authorization: Bearer ${token}\r\n`
    const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\n`)
    let done = 0
    const begun = performance.now()
    const all = Array.from({ length: CONNECTIONS }, () => connection(port, request, begun + millis, () => done++))
    await Promise.all(all)
    return (done * 1000) / (performance.now() - begun)
  })
