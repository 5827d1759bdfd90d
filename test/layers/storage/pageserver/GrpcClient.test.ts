import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2"
import * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { frame } from "../../../../src/domain/storage/PageApi.ts"
import { type GrpcClient, openClient } from "../../../../src/layers/storage/pageserver/GrpcClient.ts"
import { NET, until } from "../../../rig/waits.ts"

const METHOD = "/page_api.PageService/GetBaseBackup"
const head = { ":status": 200, "content-type": "application/grpc" }

const portOf = (server: net.Server | ReturnType<typeof createServer>): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

/** A server of bare HTTP/2 streams that counts what is open. */
const serve = (answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void, host = "127.0.0.1") =>
  Effect.acquireRelease(
    Effect.callback<{
      readonly port: number
      readonly sessions: Set<ServerHttp2Session>
      readonly streams: Array<ServerHttp2Stream>
      readonly reset: Array<number>
      readonly close: () => void
    }>((resume) => {
      const server = createServer()
      const sessions = new Set<ServerHttp2Session>()
      const streams: Array<ServerHttp2Stream> = []
      const reset: Array<number> = []
      server.on("session", (session) => {
        sessions.add(session)
        session.on("error", () => {})
        session.on("close", () => sessions.delete(session))
      })
      server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
        streams.push(stream)
        stream.on("error", () => {})
        stream.on("close", () => reset.push(stream.rstCode ?? 0))
        answer(stream, headers)
      })
      const close = () => {
        server.close()
        for (const session of sessions) session.destroy()
      }
      server.listen(0, host, () => resume(Effect.succeed({ port: portOf(server), sessions, streams, reset, close })))
    }),
    ({ close }) => Effect.sync(close)
  )

const silent = (stream: ServerHttp2Stream) => stream.respond(head)
const refused = (stream: ServerHttp2Stream) =>
  stream.respond({ ...head, "grpc-status": "5", "grpc-message": "what%3F %23 100%25" }, { endStream: true })

const ask = (client: GrpcClient, stall = NET) => Effect.flatten(client.stream(METHOD, new Uint8Array([8, 1]), stall))

const CANCEL = 8

describe("GrpcClient", () => {
  const hosts = [
    ["an IPv4 address", "127.0.0.1", "127.0.0.1"],
    ["an IPv6 address", "::1", "user@[::1]"],
    ["a name", "localhost", "user@localhost"]
  ] as const
  for (const [name, host, url] of hosts) {
    it.live(`connects to ${name} and hears the text of a refusal as it was meant`, () =>
      Effect.gen(function* () {
        const { port } = yield* serve(refused, host)
        const client = yield* openClient(`grpc://${url}:${port}/`, {}, NET)
        assert.isTrue(yield* client.isOpen)
        const error = yield* Effect.flip(ask(client))
        assert.strictEqual(error.message, 'status: NOT_FOUND, message: "what? # 100%"')
        assert.deepStrictEqual([error.code, error.transient], ["NOT_FOUND", true])
        assert.strictEqual((yield* Effect.flip(client.unary(METHOD, new Uint8Array(0), NET))).code, "NOT_FOUND")
      })
    )
  }

  it.live("offers no compression, and goes through no proxy", () =>
    Effect.gen(function* () {
      const seen: Array<IncomingHttpHeaders> = []
      const { port } = yield* serve((stream, headers) => {
        seen.push(headers)
        refused(stream)
      })
      const before = process.env["http_proxy"]
      process.env["http_proxy"] = "http://127.0.0.1:1"
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          if (before === undefined) delete process.env["http_proxy"]
          else process.env["http_proxy"] = before
        })
      )
      const client = yield* openClient(`grpc://127.0.0.1:${port}`, { "neon-shard-id": "0000" }, NET)
      yield* Effect.flip(ask(client))
      yield* Effect.flip(ask(client))
      for (const headers of seen) {
        assert.strictEqual(headers["grpc-accept-encoding"], "identity")
        assert.strictEqual(headers["neon-shard-id"], "0000")
        assert.match(headers["user-agent"] ?? "", /^compute_ctl /)
      }
      assert.lengthOf(seen, 2)
    })
  )

  it.live("waits for a server that accepts and does not speak as long as it may", () =>
    Effect.gen(function* () {
      const sockets = new Set<net.Socket>()
      const server = net.createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => sockets.delete(socket))
        socket.resume()
      })
      yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          server.close()
          for (const socket of sockets) socket.destroy()
        })
      )
      const url = `grpc://127.0.0.1:${portOf(server)}`
      const error = yield* Effect.flip(Effect.scoped(openClient(url, {}, 100)))
      assert.match(error.message, /^transport error: no connection to .*127\.0\.0\.1:\d+ within 100 ms$/)
      assert.deepStrictEqual([error.code, error.transient], [null, true])
    })
  )

  it.live("tells at once why there is no connection", () =>
    Effect.gen(function* () {
      const closed = yield* Effect.flip(openClient("grpc://[::1]:1", {}, NET))
      assert.match(closed.message, /^transport error: connect E[A-Z]+ ::1:1/)
      const unknown = yield* Effect.flip(openClient("grpc://nowhere.invalid:1", {}, NET))
      assert.match(unknown.message, /^transport error: Name resolution failed/)
      assert.isTrue(closed.transient && unknown.transient)
    })
  )

  it.live("does not show a token that cannot be sent", () =>
    Effect.gen(function* () {
      const values = { authorization: "Bearer s3cret\n" }
      const error = yield* Effect.flip(openClient("grpc://127.0.0.1:1", values, NET))
      assert.strictEqual(error.message, "invalid gRPC metadata")
      assert.notInclude(JSON.stringify(error), "s3cret")
    })
  )

  it.live("gives up on a server that stops speaking", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(silent)
      const client = yield* openClient(`grpc://127.0.0.1:${port}`, {}, NET)
      const calls = [
        Effect.asVoid(Effect.scoped(ask(client, 50))),
        Effect.asVoid(client.unary(METHOD, new Uint8Array(0), 50))
      ]
      for (const call of calls) {
        const error = yield* Effect.flip(call)
        assert.strictEqual(error.message, 'status: DEADLINE_EXCEEDED, message: "nothing came for 50 ms"')
        assert.isTrue(error.transient)
      }
    })
  )

  it.live("cancels a call that is interrupted, and closes with its scope", () =>
    Effect.gen(function* () {
      const server = yield* serve(silent)
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(openClient(`grpc://127.0.0.1:${server.port}`, {}, NET), scope)
      const calls = [
        Effect.asVoid(Effect.scoped(ask(client))),
        Effect.asVoid(client.unary(METHOD, new Uint8Array(0), NET))
      ]
      for (const [index, call] of calls.entries()) {
        const running = yield* Effect.forkChild(call)
        yield* until("the call", () => server.streams.length === index + 1)
        yield* Fiber.interrupt(running)
      }
      yield* until("both to be cancelled", () => server.reset.length === 2)
      assert.deepStrictEqual(server.reset, [CANCEL, CANCEL])
      const left = yield* Effect.forkChild(Scope.provide(ask(client), scope))
      yield* until("the call", () => server.streams.length === 3)
      assert.isTrue(yield* client.isOpen)
      yield* Scope.close(scope, Exit.void)
      yield* until("the end of the connection", () => server.sessions.size === 0)
      assert.strictEqual(server.reset[2], CANCEL)
      assert.strictEqual((yield* Effect.flip(Fiber.join(left))).code, "CANCELLED")
    })
  )

  it.live("knows that the server has gone", () =>
    Effect.gen(function* () {
      const server = yield* serve(silent)
      const client = yield* openClient(`grpc://127.0.0.1:${server.port}`, {}, NET)
      const running = yield* Effect.forkChild(Effect.scoped(ask(client)))
      yield* until("the call", () => server.streams.length === 1)
      server.close()
      const error = yield* Effect.flip(Fiber.join(running))
      assert.deepStrictEqual([error.code, error.transient], ["UNAVAILABLE", true])
      assert.isFalse(yield* client.isOpen)
    })
  )

  it.live("holds a fast server back, and loses nothing of what it sends", () =>
    Effect.gen(function* () {
      const message = frame(new Uint8Array(256 * 1024).fill(7))
      const count = 80
      let written = 0
      const { port } = yield* serve((stream) => {
        stream.respond(head, { waitForTrailers: true })
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "14", "grpc-message": "late" }))
        const next = () => {
          if (written === count) stream.end()
          else stream.write(message, () => setImmediate(next))
          if (written < count) written++
        }
        next()
      })
      const client = yield* openClient(`grpc://127.0.0.1:${port}`, {}, NET)
      const messages = yield* client.stream(METHOD, new Uint8Array(0), NET)
      let received = (yield* messages).length
      yield* Effect.sleep(300)
      assert.isBelow(written, count / 2)
      let failure: string | null = null
      while (failure === null) {
        const next = yield* Effect.result(messages)
        if (next._tag === "Failure") failure = next.failure.message
        else received += next.success.filter((one) => one.length === 256 * 1024 && one[9] === 7).length
      }
      assert.strictEqual(failure, 'status: UNAVAILABLE, message: "late"')
      assert.isAtLeast(received, written - 1)
    })
  )
})
