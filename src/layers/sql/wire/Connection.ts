/**
 * A connection to a server that speaks the Postgres protocol, admitted and ready. It closes with its scope; interruption
 * destroys the socket.
 */
import type * as net from "node:net"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Address, ConnectionString } from "../../../domain/postgres/ConnectionString.ts"
import { authenticate, type Identity } from "./authenticate.ts"
import { broken, connectFailed, type WireFailed } from "./errors.ts"
import * as Frames from "./Frames.ts"
import { Inbox } from "./Inbox.ts"
import { openSocket } from "./socket.ts"

export interface Connection {
  readonly socket: net.Socket
  readonly inbox: Inbox
  /** The server's name for it, when it has given one. */
  readonly key: Frames.BackendKey | null
  /** The one that has answered. */
  readonly address: Address
  /** What opening took, authentication included. */
  readonly connectMicros: number
}

export interface Target extends Identity {
  readonly connection: ConnectionString
  /** Milliseconds for everything up to the first ReadyForQuery at one address; null when the caller sees to it. */
  readonly connectTimeout: number | null
  /** What one message may take. */
  readonly longest?: Frames.Longest
  /** Goes along with the login on that socket. */
  readonly attended?: (socket: net.Socket) => <A>(login: Effect.Effect<A, WireFailed>) => Effect.Effect<A, WireFailed>
  /** Milliseconds for which its end waits for the server to have noticed; 0 = it does not. */
  readonly farewell?: number
}

const now = () => Number(process.hrtime.bigint() / 1000n)

/** A server that is told needs not wonder where its client went. */
const farewell = (socket: net.Socket, millis: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (socket.destroyed || !socket.writable) return resume(Effect.void)
    socket.write(Frames.terminate)
    if (millis <= 0) return resume(Effect.void)
    const timer = setTimeout(() => socket.destroy(), millis)
    socket.once("close", () => {
      clearTimeout(timer)
      resume(Effect.void)
    })
    // What it still has to say is not waited for.
    socket.resume()
    socket.end()
  })

/** A try that fails gives its socket back at once, not when the caller's scope closes. */
const givenBack = <A>(opening: Effect.Effect<A, WireFailed, Scope.Scope>): Effect.Effect<A, WireFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope, "sequential")
    return yield* opening.pipe(
      Scope.provide(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
  })

const within =
  ({ host, port }: Address, limit: number | null) =>
  <A, R>(opening: Effect.Effect<A, WireFailed, R>): Effect.Effect<A, WireFailed, R> =>
    limit === null
      ? opening
      : Effect.timeoutOrElse(opening, {
          duration: limit,
          orElse: () => Effect.fail(connectFailed(`no session with ${host}:${port} within ${limit} ms`))
        })

const connectAt = (address: Address, target: Target): Effect.Effect<Connection, WireFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const began = now()
    const socket = yield* openSocket(address, target.connection)
    const inbox = new Inbox(socket, target.longest)
    const login = authenticate(inbox, socket, target)
    const key = yield* target.attended === undefined ? login : target.attended(socket)(login)
    yield* Effect.addFinalizer(() => farewell(socket, target.farewell ?? 0))
    return { socket, inbox, key, address, connectMicros: now() - began }
  }).pipe(within(address, target.connectTimeout), givenBack)

/** Connects to the first address that answers. */
export const connect = (target: Target): Effect.Effect<Connection, WireFailed, Scope.Scope> => {
  const [first, ...others] = target.connection.addresses
  if (first === undefined) return Effect.fail(broken("host is missing"))
  return others.reduce(
    (tried, address) =>
      Effect.catch(tried, (failure) =>
        failure.kind === "connect" ? connectAt(address, target) : Effect.fail(failure)
      ),
    connectAt(first, target)
  )
}
