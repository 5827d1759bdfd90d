/**
 * A process of its own that sends requests and tells what they took: in one with the bench, its own work would be measured.
 * Plain sockets, kept alive, one request at a time on each.
 */
import * as net from "node:net"
import type { Load, Order } from "../load.ts"

const LAST_CHUNK = "\r\n0\r\n\r\n"

/** How many bytes an answer has; null while it is not all there. */
const answerLength = (text: Buffer): number | null => {
  const head = text.indexOf("\r\n\r\n")
  if (head < 0) return null
  const length = /content-length: (\d+)/i.exec(text.subarray(0, head).toString("latin1"))
  if (length !== null) return head + 4 + Number(length[1])
  const last = text.indexOf(LAST_CHUNK, head)
  return last < 0 ? null : last + LAST_CHUNK.length
}

const SUCCESS = Buffer.from("HTTP/1.1 200 ")

/** `more` is asked before each request, and says when it may be sent: in so many milliseconds, or never. */
const connection = (port: number, request: Buffer, more: () => number | null, count: (millis: number) => void) =>
  new Promise<void>((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1")
    let received: Buffer = Buffer.alloc(0)
    let asked = 0
    const send = () => {
      asked = performance.now()
      socket.write(request)
    }
    const next = () => {
      const pause = more()
      if (pause === 0) return send()
      if (pause !== null) return void setTimeout(send, pause)
      socket.destroy()
      resolve()
    }
    socket.setNoDelay(true)
    socket.on("connect", next)
    socket.on("error", reject)
    socket.on("data", (part: Buffer) => {
      received = received.length === 0 ? part : Buffer.concat([received, part])
      const length = answerLength(received)
      if (length === null || received.length < length) return
      if (!received.subarray(0, SUCCESS.length).equals(SUCCESS)) reject(new Error(received.toString("latin1", 0, 80)))
      received = received.subarray(length)
      count(performance.now() - asked)
      next()
    })
  })

const obey = async ({ connections, path, pause, port, token, until }: Order): Promise<Load> => {
  const authorization = token === null ? "" : `Authorization: Bearer ${token}\r\n`
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\n`)
  const taken: Array<number> = []
  const begun = performance.now()
  let sent = 0
  const isEnough = () => ("millis" in until ? performance.now() - begun >= until.millis : sent >= until.requests)
  const more = () => {
    if (isEnough()) return null
    sent += 1
    return pause
  }
  await Promise.all(
    Array.from({ length: connections }, () => connection(port, request, more, (one) => taken.push(one)))
  )
  return { perSecond: (taken.length * 1000) / (performance.now() - begun), taken }
}

process.on("message", ([id, order]: [number, Order]) => {
  obey(order).then(
    (load) => process.send?.([id, load]),
    (error: unknown) => process.send?.([id, String(error)])
  )
})
