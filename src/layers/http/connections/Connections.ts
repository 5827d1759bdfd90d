/**
 * The connections of one HTTP server: how many there may be, what they may cost together, and which one has to go.
 *
 * The bounds are numbers and bytes, never a time: pools connect long before they ask for anything.
 */
import type { RequestListener, Server } from "node:http"
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { httpConnections, httpConnectionsClosed } from "../../../domain/observe/MetricFamilies.ts"
import { Descriptors } from "../../machine/process/Descriptors.ts"
import { Metrics } from "../../observe/Metrics.ts"
import { attend, type CloseReason, type Connection } from "./Connection.ts"
import * as Turns from "./Turns.ts"

export interface Settings {
  /** As it is named in metrics and in the log. */
  readonly server: string
  readonly limit: number
  /** Paths that are served whatever else is asked for. */
  readonly probes: ReadonlyArray<string>
}

export interface Connections {
  /** Puts the limits on a server; after all its listeners but the one for requests. */
  readonly guard: (server: Server, handle: RequestListener) => void
  /** Closes what is idle, and from now on what becomes so. */
  readonly leave: () => void
  readonly size: () => number
  /** Closes all. */
  readonly destroy: () => void
}

/** Requests under way beyond all but these are answered with 503, unless they are probes. */
const RESERVED = 16
/** Bytes that are kept for clients that send without reading, or do not read. */
const MEMORY = 32 * 1024 * 1024
/** What a connection costs anyway, roughly. */
const LIGHT = 4 * 1024
/** A reason for closing connections is told once in this time. */
const QUIET_MS = 60_000
/** How many go at once when descriptors run out. */
const SHED = 16

interface Entry {
  readonly connection: Connection
  weight: number
}

const explain = ({ limit, server }: Settings, reason: CloseReason): string => {
  const whose = `connections of the ${server} HTTP server`
  switch (reason) {
    case "limit":
      return `there are ${limit} ${whose}, which is the limit: the longest idle make room for new ones`
    case "memory":
      return `${whose} are closed: they do not read their answers, and what is kept for them has reached ${MEMORY} bytes`
    case "descriptors":
      return `${whose} are closed, the longest idle first: the process is running out of file descriptors`
    case "unread body":
      return `${whose} are closed: they go on sending bodies that nobody reads`
    case "no request":
      return `${whose} are closed: what they send does not become a request`
    case "busy":
      return `there are too many requests under way on ${whose}: all but probes are refused`
  }
}

const oldest = (entries: Iterable<Entry>, wanted: (connection: Connection) => boolean): Entry | undefined => {
  let found: Entry | undefined
  for (const entry of entries) {
    if (!wanted(entry.connection)) continue
    if (found === undefined || entry.connection.since() < found.connection.since()) found = entry
  }
  return found
}

/** The work is the client's now, not ours. */
const waits = (connection: Connection) => connection.idle() || connection.receiving() || connection.unread()

const descriptorOf = (socket: Socket): number => {
  const handle: unknown = Reflect.get(socket, "_handle")
  return typeof handle === "object" && handle !== null && "fd" in handle && typeof handle.fd === "number"
    ? handle.fd
    : -1
}

export const make = (settings: Settings): Effect.Effect<Connections, never, Metrics | Scope.Scope> =>
  Effect.gen(function* () {
    const { limit, server: name } = settings
    const descriptors = yield* Descriptors
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const turns = Turns.make()
    const all = new Map<Socket, Entry>()
    /** In the order in which they became idle. */
    const idle = new Set<Entry>()
    const closed = new Map<CloseReason, number>()
    const told = new Map<CloseReason, number>()
    let total = 0
    let leaving = false
    /** With so many, descriptors ran out. What is closed leaves gaps, so that a number alone does not tell how many are left. */
    let ceiling = Number.POSITIVE_INFINITY

    const note = (reason: CloseReason) => {
      closed.set(reason, (closed.get(reason) ?? 0) + 1)
      const now = performance.now()
      if (now - (told.get(reason) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return
      told.set(reason, now)
      runFork(Effect.logWarning(explain(settings, reason)))
    }

    const forget = (entry: Entry) => {
      if (!all.delete(entry.connection.socket)) return
      idle.delete(entry)
      total -= entry.weight
    }

    const close = (entry: Entry, reason: CloseReason) => {
      note(reason)
      forget(entry)
      entry.connection.socket.destroy()
    }

    /** The longest without a request; without one, whoever keeps us waiting longest. Never one that we work for. */
    const makeRoom = (reason: CloseReason): boolean => {
      const [first] = idle
      const entry =
        first ??
        oldest(all.values(), (connection) => connection.receiving()) ??
        oldest(all.values(), (connection) => connection.unread())
      if (entry !== undefined) close(entry, reason)
      return entry !== undefined
    }

    const lighten = () => {
      const heavy = [...all.values()].filter(({ connection, weight }) => weight > LIGHT && waits(connection))
      heavy.sort((a, b) => a.connection.since() - b.connection.since())
      for (const entry of heavy) {
        if (total <= MEMORY / 2) return
        close(entry, "memory")
      }
    }

    const changed = (entry: Entry) => {
      if (!all.has(entry.connection.socket)) return
      if (!entry.connection.idle()) idle.delete(entry)
      else if (leaving) {
        forget(entry)
        entry.connection.socket.destroy()
        return
      } else idle.add(entry)
      const weight = entry.connection.weight()
      total += weight - entry.weight
      entry.weight = weight
      if (total > MEMORY) lighten()
    }

    const beginnings = settings.probes.flatMap((path) => [Buffer.from(`GET ${path}`), Buffer.from(`HEAD ${path}`)])
    const urgent = (bytes: Buffer) =>
      beginnings.some((beginning) => bytes.subarray(0, beginning.length).equals(beginning))

    const accept = (socket: Socket) => {
      if (leaving || (all.size >= limit && !makeRoom("limit"))) {
        if (!leaving) note("busy")
        socket.destroy()
        return
      }
      if (descriptors.last(descriptorOf(socket))) ceiling = Math.min(ceiling, all.size)
      else if (all.size < ceiling / 2) ceiling = Number.POSITIVE_INFINITY
      if (all.size >= ceiling) makeRoom("descriptors")
      const connection = attend(socket, {
        turns,
        urgent,
        changed: () => changed(entry),
        close: (_, reason) => close(entry, reason)
      })
      const entry: Entry = { connection, weight: 0 }
      all.set(socket, entry)
      turns.accepted()
      idle.add(entry)
      socket.on("close", () => forget(entry))
    }

    const waiting = () => oldest(all.values(), (connection) => !connection.idle() && waits(connection))

    /** So many requests are under way that a probe might find no place: another one takes that of a client that keeps us waiting. */
    const hasPlace = (path: string): boolean => {
      if (all.size - idle.size < limit - RESERVED || settings.probes.includes(path)) return true
      const entry = waiting()
      if (entry !== undefined) close(entry, "limit")
      return entry !== undefined
    }

    const refuse: RequestListener = (_, answer) => {
      note("busy")
      answer.writeHead(503, { "content-type": "application/json", connection: "close" })
      answer.end('{"error":"too many requests are under way"}')
    }

    const metrics = yield* Metrics
    yield* metrics.gauge(
      httpConnections,
      Effect.sync(() => [{ labels: { server: name }, value: all.size }])
    )
    yield* metrics.gauge(
      httpConnectionsClosed,
      Effect.sync(() => [...closed].map(([reason, value]) => ({ labels: { reason, server: name }, value })))
    )
    yield* descriptors.whenShort(() => {
      for (let gone = 0; gone < SHED && idle.size > 0; gone++) makeRoom("descriptors")
    })

    return {
      size: () => all.size,
      guard: (server, handle) => {
        const take: RequestListener = (message, answer) => {
          const entry = all.get(message.socket)
          if (entry === undefined) return handle(message, answer)
          const [path = ""] = (message.url ?? "").split("?", 1)
          entry.connection.take(message, answer, hasPlace(path) ? handle : refuse)
        }
        if (server.listenerCount("upgrade") > 0) {
          server.prependListener("upgrade", (message) => {
            const entry = all.get(message.socket)
            // What comes behind the head belongs to the other protocol.
            if (message.complete) entry?.connection.release()
            else message.socket.destroy()
          })
        }
        server.on("connection", accept)
        server.on("request", take).on("checkContinue", take).on("checkExpectation", take)
      },
      leave: () => {
        leaving = true
        for (const { connection } of idle) connection.socket.destroy()
      },
      destroy: () => {
        for (const socket of all.keys()) socket.destroy()
      }
    }
  })
