/**
 * One request to a server on a Unix socket.
 */
import { randomUUID } from "node:crypto"
import { symlink, unlink } from "node:fs/promises"
import * as http from "node:http"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { collector } from "../../http/readBody.ts"
import { osText } from "../../machine/osText.ts"
import { type Exported, ExporterFailed } from "./Exported.ts"

const SOCKET = "neon-communicator.socket"
/** The kernel takes 108 bytes; Postgres itself binds by a relative path. */
const PATH_LIMIT = 100
const CONNECT_TIMEOUT = "2 seconds"
/** Milliseconds without a byte. */
const ANSWER_TIMEOUT = 5000
/** Bytes of an answer; a real one has some thousand. */
const LONGEST = 8 * 1024 * 1024

const connectFailed = (reason: string) =>
  new ExporterFailed({ message: `connecting to communicator control socket: ${reason}`, unreachable: true })
const fetchFailed = (reason: string) =>
  Effect.fail(
    new ExporterFailed({ message: `fetching metrics from Postgres metrics service: ${reason}`, unreachable: false })
  )

const connect = (path: string): Effect.Effect<net.Socket, ExporterFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new net.Socket()),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(
    Effect.tap((socket) =>
      Effect.callback<void, ExporterFailed>((resume) => {
        socket.once("error", (error) => resume(connectFailed(osText(error))))
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
      catch: (error) => connectFailed(error instanceof Error ? osText(error) : String(error))
    }),
    connect,
    (link) => Effect.promise(() => unlink(link).catch(() => undefined))
  )

const ask = (socket: net.Socket, path: string) =>
  Effect.callback<Exported, ExporterFailed>((resume) => {
    const request = http.request({ path, headers: { host: "localhost" }, createConnection: () => socket })
    const settle = (answer: Effect.Effect<Exported, ExporterFailed>) => {
      clearTimeout(timer)
      resume(answer)
      request.destroy()
    }
    const timer = setTimeout(() => settle(fetchFailed("timed out")), ANSWER_TIMEOUT)
    request.once("response", (response) => {
      const body = collector(LONGEST)
      response.on("data", (piece: Uint8Array) => {
        timer.refresh()
        if (!body.push(piece)) settle(fetchFailed(`more than ${LONGEST} bytes`))
      })
      response.on("end", () =>
        settle(
          Effect.succeed({
            status: response.statusCode ?? 502,
            contentType: response.headers["content-type"] ?? null,
            body: body.all()
          })
        )
      )
      response.on("error", (error) => settle(fetchFailed(error.message)))
    })
    request.on("error", (error) => settle(fetchFailed(error.message)))
    // All that comes of an answer that changes the protocol.
    request.on("close", () => settle(fetchFailed("closed without an answer")))
    request.end()
    return Effect.sync(() => {
      clearTimeout(timer)
      request.destroy()
    })
  })

/** The whole answer: whoever asked for it gets it in one piece, and who asks meanwhile gets the same one. */
export const request = (pgdata: string, path: string): Effect.Effect<Exported, ExporterFailed> =>
  Effect.gen(function* () {
    const socketPath = join(pgdata, SOCKET)
    const long = Buffer.byteLength(socketPath) >= PATH_LIMIT
    const socket = yield* long ? connectByLink(socketPath) : connect(socketPath)
    return yield* ask(socket, path)
  }).pipe(Effect.scoped)
