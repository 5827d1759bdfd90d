/**
 * A session with a server that speaks the Postgres protocol: startup, cleartext password, simple queries, COPY OUT.
 * It closes with its scope; interruption destroys the socket.
 */
import type * as net from "node:net"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Address, ConnectionString } from "./ConnectionString.ts"
import * as Frames from "./Frames.ts"
import { cost, Inbox } from "./Inbox.ts"
import { openSocket } from "./socket.ts"
import { broken, connectFailed, serverError, unexpected, type WireFailed } from "./WireFailed.ts"

export type Row = ReadonlyArray<string | null>

export interface Session {
  /** What opening took, authentication included. */
  readonly connectMicros: number
  /** False once the peer has gone. */
  readonly isOpen: Effect.Effect<boolean>
  /** The rows of a simple query. `stall`: milliseconds without a byte after which the connection counts as dead. */
  readonly query: (text: string, stall: number) => Effect.Effect<ReadonlyArray<Row>, WireFailed>
  /** The bytes of a COPY OUT, pulled as they are consumed; it ends where the command is complete, not where the copy is. */
  readonly copyOut: (text: string, stall: number) => Effect.Effect<Stream.Stream<Uint8Array, WireFailed>, WireFailed>
}

export interface SessionTarget {
  readonly connection: ConnectionString
  /** Sent in this order. */
  readonly parameters: ReadonlyArray<readonly [string, string]>
  /** Sent only when the server asks. */
  readonly password: Redacted.Redacted<string> | null
  /** Milliseconds for everything up to the first ReadyForQuery. */
  readonly connectTimeout: number
}

/** Messages a server may send at any time. */
const isAside = (frame: Frames.Frame): boolean => frame.type === "S" || frame.type === "N" || frame.type === "K"

/** What a server may say before it comes to the point; one that never does would be listened to for ever. */
const PATIENCE = 1024 * 1024
/** Of the rows of one answer: those asked for have one, of a few numbers. */
const LARGEST_ANSWER = 1024 * 1024

const pointless = () => unexpected("the server sends messages without an answer")

/** The next message of an answer. `skip`: what is passed by besides. */
const nextFrame = (inbox: Inbox, skip = ""): Effect.Effect<Frames.Frame, WireFailed> => {
  const from = (passed: number): Effect.Effect<Frames.Frame, WireFailed> =>
    Effect.flatMap(inbox.take, (frame) => {
      if (!isAside(frame) && frame.type !== skip) return Effect.succeed(frame)
      return passed > PATIENCE ? pointless() : from(passed + cost(frame))
    })
  return from(0)
}

const refused = (frame: Frames.Frame): WireFailed =>
  frame.type === "E"
    ? serverError(Frames.errorFields(frame.body))
    : unexpected(`unexpected message from server: ${frame.type}`)

const authenticate = (inbox: Inbox, socket: net.Socket, target: SessionTarget): Effect.Effect<void, WireFailed> =>
  Effect.gen(function* () {
    socket.write(Frames.startup(target.parameters))
    let asked = false
    let admitted = false
    for (;;) {
      const frame = yield* nextFrame(inbox)
      if (frame.type === "Z" && admitted) return
      if (frame.type !== "R" || frame.body.length < 4 || admitted) return yield* refused(frame)
      const request = frame.body.readUInt32BE(0)
      if (request === 3 && !asked) {
        asked = true
        if (target.password === null) return yield* connectFailed("invalid configuration: password missing")
        socket.write(Frames.password(Redacted.value(target.password)))
      } else if (request === 0) {
        admitted = true
      } else {
        return yield* unexpected(`authentication method ${request} is not supported`)
      }
    }
  })

/** The answers of one command; a ReadyForQuery left over from the one before is passed by. */
const answer = (inbox: Inbox): Effect.Effect<Frames.Frame, WireFailed> => nextFrame(inbox, "Z")

const rowsOf = (inbox: Inbox): Effect.Effect<ReadonlyArray<Row>, WireFailed> =>
  Effect.gen(function* () {
    const rows: Array<Row> = []
    let size = 0
    for (;;) {
      const frame = yield* answer(inbox)
      size += cost(frame)
      if (size > LARGEST_ANSWER) return yield* unexpected(`the answer has more than ${LARGEST_ANSWER} bytes`)
      if (frame.type === "C" || frame.type === "I") return rows
      if (frame.type === "D") {
        const row = Frames.dataRow(frame.body)
        if (row === undefined) return yield* unexpected("invalid data row")
        rows.push(row)
      } else if (frame.type !== "T") {
        return yield* refused(frame)
      }
    }
  })

/** Every data message at hand, or the end. */
const copyData = (inbox: Inbox): Effect.Effect<ReadonlyArray<Uint8Array>, WireFailed | Cause.Done> => {
  let done = false
  let idle = 0
  const step: Effect.Effect<ReadonlyArray<Uint8Array>, WireFailed> = Effect.gen(function* () {
    const data: Array<Uint8Array> = []
    for (const frame of yield* inbox.takeAll) {
      if (frame.type === "d" && frame.body.length > 0) {
        idle = 0
        data.push(frame.body)
        continue
      }
      idle += cost(frame)
      if (idle > PATIENCE) return yield* pointless()
      if (frame.type === "d") continue
      if (frame.type === "C") done = true
      else if (frame.type !== "c" && frame.type !== "Z" && !isAside(frame)) {
        return yield* refused(frame)
      }
    }
    return data
  })
  return Effect.suspend((): ReturnType<typeof copyData> => (done ? Cause.done() : step))
}

const fromSocket = (socket: net.Socket, inbox: Inbox, connectMicros: number): Session => {
  const begin = (text: string, stall: number) =>
    Effect.sync(() => {
      inbox.stall = stall
      socket.write(Frames.query(text))
    })
  return {
    connectMicros,
    isOpen: Effect.sync(() => inbox.isOpen),
    query: (text, stall) => Effect.andThen(begin(text, stall), rowsOf(inbox)),
    copyOut: (text, stall) =>
      Effect.gen(function* () {
        yield* begin(text, stall)
        const first = yield* answer(inbox)
        if (first.type !== "H") return yield* refused(first)
        return Stream.fromIterableEffectRepeat(copyData(inbox))
      })
  }
}

const now = () => Number(process.hrtime.bigint() / 1000n)

/** A try that fails gives its socket back at once, not when the caller's scope closes. */
const givenBack = <A>(opening: Effect.Effect<A, WireFailed, Scope.Scope>): Effect.Effect<A, WireFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope, "sequential")
    return yield* opening.pipe(
      Scope.provide(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
  })

const openAt = (address: Address, target: SessionTarget): Effect.Effect<Session, WireFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const began = now()
    const socket = yield* openSocket(address, target.connection)
    const inbox = new Inbox(socket)
    yield* authenticate(inbox, socket, target)
    // A server that is told needs not wonder where its client went.
    yield* Effect.addFinalizer(() => Effect.sync(() => socket.writable && socket.write(Frames.terminate)))
    return fromSocket(socket, inbox, now() - began)
  }).pipe(
    Effect.timeoutOrElse({
      duration: target.connectTimeout,
      orElse: () =>
        Effect.fail(connectFailed(`no session with ${address.host}:${address.port} within ${target.connectTimeout} ms`))
    }),
    givenBack
  )

/** Opens a session at the first address that answers. */
export const open = (target: SessionTarget): Effect.Effect<Session, WireFailed, Scope.Scope> => {
  const [first, ...others] = target.connection.addresses
  if (first === undefined) return Effect.fail(broken("host is missing"))
  return others.reduce(
    (tried, address) =>
      Effect.catch(tried, (failure) => (failure.kind === "connect" ? openAt(address, target) : Effect.fail(failure))),
    openAt(first, target)
  )
}
