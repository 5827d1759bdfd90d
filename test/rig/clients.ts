/**
 * Clients that know no manners, on plain sockets, and what they cost the program.
 */
import * as fs from "node:fs"
import * as net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { until } from "./waits.ts"

export interface Client {
  readonly socket: net.Socket
  /** Everything received; nothing for one that does not read. */
  readonly received: () => string
  readonly closed: () => boolean
}

/** A connected client, or one that was refused; `reads`: whether it takes what is sent to it. */
export const connect = (port: number, reads = true): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Client>((resume) => {
      const socket = net.connect(port, "127.0.0.1")
      let received = ""
      let closed = false
      const client = { socket, received: () => received, closed: () => closed }
      if (reads) {
        socket.on("data", (part) => {
          received += part.toString("latin1")
        })
      }
      socket.on("error", () => {})
      socket.on("close", () => {
        closed = true
        resume(Effect.succeed(client))
      })
      socket.once("connect", () => resume(Effect.succeed(client)))
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

/** In the order in which they connected. */
export const connectMany = (port: number, count: number, reads = true) =>
  Effect.forEach(Array.from({ length: count }), () => connect(port, reads))

/** Sends it again and again, as fast as it is taken, until the client ends. */
export const pour = ({ socket }: Client, bytes: Buffer): void => {
  const more = () => {
    if (socket.destroyed) return
    if (socket.write(bytes)) setImmediate(more)
    else socket.once("drain", more)
  }
  more()
}

/** All that the server says to these bytes until it closes, or until `enough` holds for it. */
export const exchange = (port: number, bytes: string | Buffer, enough: (answer: string) => boolean = () => false) =>
  Effect.gen(function* () {
    const client = yield* connect(port)
    client.socket.write(bytes)
    yield* until("an answer", () => client.closed() || enough(client.received()))
    return client.received()
  }).pipe(Effect.scoped)

/** Status codes in the order of the answers. */
export const statuses = (text: string): ReadonlyArray<number> =>
  Array.from(text.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status))

const status = (pid: number): string => fs.readFileSync(`/proc/${pid}/status`, "utf8")

/** Resident memory in MB. */
export const resident = (pid: number): number => Number(/VmRSS:\s+(\d+)/.exec(status(pid))?.[1]) / 1024

/** The most that it grew, in MB, until the scope closes; looked at every few milliseconds. */
export const growth = (pid: number): Effect.Effect<() => number, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const before = resident(pid)
        let most = 0
        const timer = setInterval(() => {
          most = Math.max(most, resident(pid) - before)
        }, 20)
        return { timer, most: () => most }
      }),
      ({ timer }) => Effect.sync(() => clearInterval(timer))
    ),
    ({ most }) => most
  )

export const descriptors = (pid: number): number => fs.readdirSync(`/proc/${pid}/fd`).length
