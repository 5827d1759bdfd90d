/**
 * An HTTP/2 connection for gRPC calls. Written on `node:http2`: the two calls a compute makes need little of a gRPC
 * library, which takes longer to load than a basebackup to arrive.
 *
 * Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
import * as http2 from "node:http2"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { frame, status } from "../../domain/PageApi.ts"
import { GrpcCall, grpcFailed } from "./GrpcCall.ts"
import { PageserverFailed } from "./PageserverFailed.ts"

export interface Channel {
  readonly connectMicros: number
  readonly isOpen: Effect.Effect<boolean>
  /** Sends the one message of a request. `stall`: milliseconds without an answer after which the call fails. */
  readonly call: (
    path: string,
    metadata: Readonly<Record<string, string>>,
    message: Uint8Array,
    stall: number
  ) => Effect.Effect<GrpcCall, PageserverFailed>
}

/** Bytes a server may send before we acknowledge: more than one basebackup message. */
const WINDOW = 4 * 1024 * 1024
/** Milliseconds. */
const PING = { every: 30_000, limit: 20_000 }

const DEFAULT_PORT = 51051

/** `grpc://[user@]host:port`; the user means nothing. */
const originOf = (url: string): Either.Either<string, PageserverFailed> => {
  const match = /^(grpc|http|grpcs|https):\/\/(?:[^@/?#]*@)?(\[[^\]]+\]|[^:/?#]+)(?::(\d+))?(?:[/?#].*)?$/.exec(url)
  if (match === null) {
    return Either.left(new PageserverFailed({ message: "invalid gRPC URL", code: null, transient: false }))
  }
  const [, scheme, host, port] = match
  return Either.right(`${scheme === "grpc" || scheme === "http" ? "http" : "https"}://${host}:${port ?? DEFAULT_PORT}`)
}

const unreachable = (reason: string): PageserverFailed =>
  new PageserverFailed({ message: `transport error: ${reason}`, code: null, transient: true })

/** Ends a connection whose peer does not answer pings. */
const keepAlive = (session: http2.ClientHttp2Session) => {
  let overdue: NodeJS.Timeout | undefined
  const timer = setInterval(() => {
    if (session.destroyed || session.closed) return
    clearTimeout(overdue)
    overdue = setTimeout(() => session.destroy(new Error("keepalive ping was not answered")), PING.limit)
    overdue.unref()
    session.ping(() => clearTimeout(overdue))
  }, PING.every)
  timer.unref()
  return () => {
    clearInterval(timer)
    clearTimeout(overdue)
  }
}

const connected = (origin: string): Effect.Effect<http2.ClientHttp2Session, PageserverFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const session = http2.connect(origin, { settings: { initialWindowSize: WINDOW, enablePush: false } })
      // The calls report what went wrong; without a listener it would end the process.
      session.on("error", () => {})
      return session
    }),
    (session) => Effect.sync(() => session.destroy())
  ).pipe(
    Effect.tap((session) =>
      Effect.async<void, PageserverFailed>((resume) => {
        const failed = (error: Error) => resume(Effect.fail(unreachable(error.message)))
        session.once("error", failed)
        session.once("close", () => failed(new Error("connection closed")))
        session.once("connect", () => {
          session.off("error", failed)
          session.setLocalWindowSize(2 * WINDOW)
          resume(Effect.void)
        })
        return Effect.sync(() => session.destroy())
      })
    )
  )

const now = () => Number(process.hrtime.bigint() / 1000n)

export const openChannel = (url: string, limit: number): Effect.Effect<Channel, PageserverFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const origin = yield* originOf(url)
    const began = now()
    const session = yield* connected(origin).pipe(
      Effect.timeoutFail({
        duration: limit,
        onTimeout: () => unreachable(`no connection to ${origin} within ${limit} ms`)
      })
    )
    yield* Effect.acquireRelease(
      Effect.sync(() => keepAlive(session)),
      (stop) => Effect.sync(stop)
    )
    return {
      connectMicros: now() - began,
      isOpen: Effect.sync(() => !session.closed && !session.destroyed),
      call: (path, metadata, message, stall) =>
        Effect.try({
          try: () => {
            const stream = session.request({
              ":method": "POST",
              ":path": path,
              te: "trailers",
              "content-type": "application/grpc",
              "user-agent": "compute_ctl",
              ...metadata
            })
            stream.end(frame(message))
            return new GrpcCall(stream, stall)
          },
          catch: (error) => grpcFailed(status.UNAVAILABLE, error instanceof Error ? error.message : "connection closed")
        })
    }
  })
