/**
 * One request to a server on a Unix socket.
 */
import { randomUUID } from "node:crypto"
import { symlink, unlink } from "node:fs/promises"
import * as http from "node:http"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { getSystemErrorMap } from "node:util"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { messageOf } from "../../../domain/observe/ErrorChain.ts"
import { type Exported, ExporterFailed } from "./Exported.ts"

const SOCKET = "neon-communicator.socket"
/** The kernel takes 108 bytes; Postgres itself binds by a relative path. */
const PATH_LIMIT = 100
const CONNECT_TIMEOUT = "2 seconds"
const ANSWER_TIMEOUT = "5 seconds"
const STALL_TIMEOUT = "10 seconds"
/** Bytes of an answer; a real one has some thousand. */
const LONGEST = 8 * 1024 * 1024

/** The words of the operating system, as the original's clients know them. */
const osError = (error: NodeJS.ErrnoException): string => {
  if (typeof error.errno !== "number") return error.message
  const text = getSystemErrorMap().get(error.errno)?.[1] ?? error.message
  return `${text.charAt(0).toUpperCase()}${text.slice(1)} (os error ${-error.errno})`
}

const connectFailed = (reason: string) =>
  new ExporterFailed({ message: `connecting to communicator control socket: ${reason}`, unreachable: true })
const fetchFailed = (reason: string) =>
  new ExporterFailed({ message: `fetching metrics from Postgres metrics service: ${reason}`, unreachable: false })

const connect = (path: string): Effect.Effect<net.Socket, ExporterFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new net.Socket()),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(
    Effect.tap((socket) =>
      Effect.callback<void, ExporterFailed>((resume) => {
        socket.once("error", (error) => resume(connectFailed(osError(error))))
        socket.once("connect", () => resume(Effect.void))
        socket.connect(path)
      })
    ),
    Effect.timeoutOrElse({ duration: CONNECT_TIMEOUT, orElse: () => Effect.fail(connectFailed("timed out")) })
  )

const connectByLink = (path: string) =>
  Effect.acquireUseRelease(
    Effect.tryPromise({
      try: async () => {
        const link = join(tmpdir(), `compute_ctl.short-socket.${process.pid}.${randomUUID().slice(0, 8)}`)
        await symlink(path, link)
        return link
      },
      catch: (error) => connectFailed(error instanceof Error ? osError(error) : String(error))
    }),
    connect,
    (link) => Effect.promise(() => unlink(link).catch(() => undefined))
  )

const ask = (socket: net.Socket, path: string) =>
  Effect.callback<http.IncomingMessage, ExporterFailed>((resume) => {
    const request = http.request({ path, headers: { host: "localhost" }, createConnection: () => socket })
    request.once("response", (response) => resume(Effect.succeed(response)))
    request.on("error", (error) => resume(fetchFailed(error.message)))
    // All that comes of an answer that changes the protocol.
    request.on("close", () => resume(fetchFailed("closed without an answer")))
    request.end()
    return Effect.sync(() => request.destroy())
  }).pipe(Effect.timeoutOrElse({ duration: ANSWER_TIMEOUT, orElse: () => Effect.fail(fetchFailed("timed out")) }))

const within = (limit: number) => {
  let size = 0
  return (piece: Uint8Array): Effect.Effect<Uint8Array, ExporterFailed> => {
    size += piece.length
    return size > limit ? Effect.fail(fetchFailed(`more than ${limit} bytes`)) : Effect.succeed(piece)
  }
}

/** The connection closes with the scope. */
export const request = (pgdata: string, path: string): Effect.Effect<Exported, ExporterFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const socketPath = join(pgdata, SOCKET)
    const long = Buffer.byteLength(socketPath) >= PATH_LIMIT
    const socket = yield* long ? connectByLink(socketPath) : connect(socketPath)
    const response = yield* ask(socket, path)
    return {
      status: response.statusCode ?? 502,
      contentType: response.headers["content-type"] ?? null,
      body: Stream.fromAsyncIterable<Uint8Array, ExporterFailed>(response, (error) =>
        fetchFailed(messageOf(error))
      ).pipe(
        Stream.mapEffect(within(LONGEST)),
        Stream.timeoutOrElse({ duration: STALL_TIMEOUT, orElse: () => Stream.fail(fetchFailed("stalled")) })
      )
    }
  })
