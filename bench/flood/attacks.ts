/**
 * What hostile clients do to a server, each for as long as it is let: nothing here is sent anywhere but to loopback.
 */
import * as net from "node:net"

export interface Target {
  readonly port: number
  readonly token: string
}

/** Connections that were closed on us are not opened again, but counted. */
export interface Attack {
  readonly connections: number
  /** What is sent at first; and what is sent whenever the socket takes more, or `every` so many milliseconds. */
  readonly open: (target: Target, index: number) => Buffer
  readonly more?: (target: Target) => Buffer
  readonly every?: number
  /** Answers are read. */
  readonly reads?: boolean
}

const repeated = (text: string, bytes: number): Buffer => Buffer.from(text.repeat(Math.floor(bytes / text.length)))

const PACKET = 60 * 1024
const pipelined = repeated("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n", PACKET)
const unknown = repeated("GET /nowhere HTTP/1.1\r\n\r\n", PACKET)
const headers = Buffer.from(`GET /livez HTTP/1.1\r\n${"a: b\r\n".repeat(10_000)}`)
const oneHeader = Buffer.from(`GET /livez HTTP/1.1\r\na: ${"b".repeat(PACKET)}`)
const chunks = repeated("1\r\nx\r\n", PACKET)

const configure = ({ token }: Target, length: string) =>
  Buffer.from(
    `POST /configure HTTP/1.1\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n${length}\r\n\r\n{`
  )

export const attacks: Readonly<Record<string, Attack>> = {
  "100 x pipelined, unread": { connections: 100, open: () => pipelined, more: () => pipelined },
  "100 x pipelined, read": { connections: 100, open: () => unknown, more: () => unknown, reads: true },
  "900 x pipelined metrics, unread": {
    connections: 900,
    open: () => repeated("GET /metrics HTTP/1.1\r\n\r\n", PACKET),
    more: () => repeated("GET /metrics HTTP/1.1\r\n\r\n", PACKET)
  },
  "5000 x silent": { connections: 5000, open: () => Buffer.alloc(0) },
  "1500 x slow bodies": {
    connections: 1500,
    open: (target) => configure(target, "Content-Length: 40000000"),
    more: () => Buffer.from(" ".repeat(1024)),
    every: 200
  },
  "100 x fast bodies of 60 MB": {
    connections: 100,
    open: (target) => configure(target, "Content-Length: 60000000"),
    more: () => Buffer.alloc(PACKET, " ")
  },
  "1500 x heads without end": { connections: 1500, open: (_, index) => (index % 2 === 0 ? headers : oneHeader) },
  "100 x endless bodies, in bytes": {
    connections: 100,
    open: () => Buffer.from("POST /nowhere HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    more: () => chunks,
    reads: true
  },
  "100 x endless bodies of specs, in bytes": {
    connections: 100,
    open: (target) => configure(target, "Transfer-Encoding: chunked").subarray(0, -1),
    more: () => chunks,
    reads: true
  }
}

const connect = (target: Target, attack: Attack, index: number, lost: () => void): net.Socket => {
  const socket = net.connect(target.port, "127.0.0.1")
  const { every, more } = attack
  const feed = () => {
    if (more === undefined || socket.destroyed) return
    if (every !== undefined) {
      socket.write(more(target))
      setTimeout(feed, every)
    } else if (socket.write(more(target))) setImmediate(feed)
    else socket.once("drain", feed)
  }
  socket.on("connect", () => {
    socket.write(attack.open(target, index))
    feed()
  })
  socket.on("error", () => {})
  socket.on("close", lost)
  if (attack.reads === true) socket.resume()
  return socket
}

/** Opens them in small groups, as fast as the server takes them; returns how to stop, and how many were lost. */
export const begin = (name: string, target: Target): { readonly stop: () => void; readonly lost: () => number } => {
  const attack = attacks[name]
  if (attack === undefined) throw new Error(`no such attack: ${name}`)
  const sockets: Array<net.Socket> = []
  let lost = 0
  let stopped = false
  const open = () => {
    for (let group = 0; group < 50 && sockets.length < attack.connections; group++) {
      sockets.push(connect(target, attack, sockets.length, () => lost++))
    }
    if (sockets.length < attack.connections && !stopped) setTimeout(open, 5)
  }
  open()
  return {
    stop: () => {
      stopped = true
      for (const socket of sockets) socket.destroy()
    },
    lost: () => lost
  }
}
