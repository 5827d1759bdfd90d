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

const connection = (port: number, request: Buffer, until: number, count: (millis: number) => void) =>
  new Promise<void>((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1")
    let received: Buffer = Buffer.alloc(0)
    let asked = 0
    const next = () => {
      if (performance.now() >= until) {
        socket.destroy()
        resolve()
      } else {
        asked = performance.now()
        socket.write(request)
      }
    }
    socket.setNoDelay(true)
    socket.on("connect", next)
    socket.on("error", reject)
    socket.on("data", (part: Buffer) => {
      received = Buffer.concat([received, part])
      const length = answerLength(received)
      if (length === null || received.length < length) return
      received = received.subarray(length)
      count(performance.now() - asked)
      next()
    })
  })

export interface Load {
  readonly perSecond: number
  /** Milliseconds of every request. */
  readonly taken: ReadonlyArray<number>
}

export const load = (port: number, path: string, token: string | null, millis: number): Effect.Effect<Load> =>
  Effect.promise(async () => {
    const authorization = token === null ? "" : `Authorization: Bearer ${token}\r\n`
    const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\n`)
    const taken: Array<number> = []
    const begun = performance.now()
    const all = Array.from({ length: CONNECTIONS }, () =>
      connection(port, request, begun + millis, (one) => taken.push(one))
    )
    await Promise.all(all)
    return { perSecond: (taken.length * 1000) / (performance.now() - begun), taken }
  })
