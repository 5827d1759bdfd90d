import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { parse } from "../../../../src/domain/postgres/ConnectionString.ts"
import type { Target } from "../../../../src/layers/sql/wire/Connection.ts"
import { open } from "../../../../src/layers/sql/wire/Session.ts"
import { failure, message, ready, type Script, scriptedServer, tlsServer, welcome } from "./scriptedServer.ts"

const STALL = 2_000

const target = (port: number, more: Partial<Target> = {}, query = ""): Target => ({
  connection: Result.getOrThrow(parse(`postgresql://no_user@127.0.0.1:${port}${query}`)),
  parameters: [
    ["client_encoding", "UTF8"],
    ["user", "no_user"]
  ],
  password: null,
  connectTimeout: 2_000,
  ...more
})

const bytesOf = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(stream), (chunk) => Buffer.concat(chunk))

const onQuery = (bytes: Buffer, hangUp = false): Script => ({
  answer: (type) => (type === "Q" ? { bytes, hangUp } : undefined)
})

const recorded: Record<string, ReadonlyArray<readonly [string, string]>> = JSON.parse(
  fs.readFileSync(new URL("../../../golden/storage/wire.json", import.meta.url), "utf8")
)
const archive = Buffer.alloc(100_000, "gzip")

/** The recorded messages up to the first ReadyForQuery, and those after it. */
const playback = (messages: ReadonlyArray<readonly [string, string]>) => {
  const encoded = messages.map(([type, body]) =>
    type === "d*"
      ? Buffer.concat(
          Array.from({ length: Math.ceil(archive.length / 8192) }, (_, at) =>
            message("d", archive.subarray(at * 8192, (at + 1) * 8192))
          )
        )
      : message(type, body)
  )
  const greeted = messages.findIndex(([type]) => type === "Z") + 1
  return { greeting: Buffer.concat(encoded.slice(0, greeted)), answer: Buffer.concat(encoded.slice(greeted)) }
}

const until = (met: () => boolean) =>
  Effect.repeat(Effect.sleep(5), { until: met }).pipe(Effect.timeout("1 minute"), Effect.asVoid)

describe("Session", () => {
  it.live("sends its startup parameters in order, the query, and a farewell", () =>
    Effect.gen(function* () {
      const server = yield* scriptedServer(onQuery(Buffer.concat([message("C", "X\0"), ready])))
      const parameters = [
        ["client_encoding", "UTF8"],
        ["user", "no_user"],
        ["options", "-c a=b"],
        ["application_name", "compute_ctl"]
      ] as const
      yield* Effect.scoped(
        Effect.gen(function* () {
          const session = yield* open(target(server.port, { parameters }))
          assert.isAbove(session.connectMicros, 0)
          assert.deepStrictEqual(yield* session.query("TIMELINE_STATUS", STALL), [])
        })
      )
      yield* Effect.sleep(50)
      assert.strictEqual(
        server.startups[0]?.subarray(8).toString(),
        "client_encoding\0UTF8\0user\0no_user\0options\0-c a=b\0application_name\0compute_ctl\0\0"
      )
      assert.deepStrictEqual(server.heard, ["Q TIMELINE_STATUS", "X"])
      assert.strictEqual(server.sockets.size, 0)
    })
  )

  for (const [name, messages] of Object.entries(recorded)) {
    it.live(`understands a recorded ${name}`, () =>
      Effect.gen(function* () {
        const { greeting, answer } = playback(messages)
        const server = yield* scriptedServer({ greeting, ...onQuery(answer) })
        const session = yield* open(target(server.port))
        const [, fault] = messages.find(([type]) => type === "E") ?? []
        if (messages.some(([type]) => type === "H")) {
          const stream = yield* session.copyOut(name, STALL)
          assert.isTrue((yield* bytesOf(stream)).equals(archive))
        } else if (fault !== undefined) {
          const text = fault.split("\0").find((field) => field.startsWith("M"))
          const error = yield* Effect.flip(session.copyOut(name, STALL))
          assert.strictEqual(error.message, `db error: ERROR: ${text?.slice(1)}`)
          assert.strictEqual(error.sqlstate, "XX000")
          assert.strictEqual((yield* Effect.flip(session.query(name, STALL))).kind, "server")
        } else {
          const rows = yield* session.query(name, STALL)
          const row = messages.find(([type]) => type === "D")
          assert.strictEqual(rows.length, row === undefined ? 0 : 1)
          for (const value of rows[0] ?? []) assert.include(String(row?.[1]), value ?? "")
        }
      })
    )
  }

  it.live("answers a request for a password, and only then", () =>
    Effect.gen(function* () {
      const password = Redacted.make("s3cret")
      const asks = yield* scriptedServer({
        greeting: message("R", "\0\0\0\x03"),
        answer: (type, body) =>
          type === "p"
            ? { bytes: body.toString() === "s3cret\0" ? welcome : failure("XX000", "JWT authentication error") }
            : undefined
      })
      yield* open(target(asks.port, { password }))
      const refused = yield* Effect.flip(open(target(asks.port, { password: Redacted.make("other") })))
      assert.strictEqual(refused.message, "db error: ERROR: JWT authentication error")
      assert.notInclude(JSON.stringify(refused), "other")
      const without = yield* Effect.flip(open(target(asks.port)))
      assert.include(without.message, "password missing")

      const trusts = yield* scriptedServer({})
      yield* open(target(trusts.port, { password }))
      assert.deepStrictEqual(trusts.heard, [])
    })
  )

  it.live("fails with what went wrong, wherever the connection is cut", () =>
    Effect.gen(function* () {
      const whole = Buffer.concat([
        message("H", "\0\0\0"),
        message("d", "abc"),
        message("d", "def"),
        message("c"),
        message("C", "SELECT 1\0"),
        ready
      ])
      const complete = whole.length - ready.length
      for (let length = 0; length <= whole.length; length++) {
        const server = yield* scriptedServer(onQuery(whole.subarray(0, length), true))
        const outcome = yield* Effect.scoped(
          Effect.flatMap(open(target(server.port)), (session) => session.copyOut("x", STALL)).pipe(
            Effect.flatMap(bytesOf),
            Effect.result
          )
        )
        const result = Result.match(outcome, { onFailure: (error) => error.message, onSuccess: String })
        assert.strictEqual(result, length >= complete ? "abcdef" : "connection closed")
      }
    })
  )

  it.live("prefers an error that comes after the copy has seemed to end", () =>
    Effect.gen(function* () {
      const late = Buffer.concat([
        message("H", "\0\0\0"),
        message("d", "abc"),
        failure("XX000", "basebackup pageserver error"),
        ready
      ])
      const afterDone = Buffer.concat([message("H", "\0\0\0"), message("c"), failure("57P01", "shutdown"), ready])
      for (const [bytes, code] of [
        [late, "XX000"],
        [afterDone, "57P01"]
      ] as const) {
        const server = yield* scriptedServer(onQuery(bytes))
        const session = yield* open(target(server.port))
        const error = yield* Effect.flip(Effect.flatMap(session.copyOut("x", STALL), bytesOf))
        assert.strictEqual(error.sqlstate, code)
      }
    })
  )

  it.live("runs one command after the other", () =>
    Effect.gen(function* () {
      const row = Buffer.concat([message("T", "\0\0"), message("D", "\0\x01\0\0\0\x01x"), message("C", "X\0"), ready])
      const server = yield* scriptedServer({
        answer: (_, body) => ({
          bytes: body.toString().startsWith("bad")
            ? Buffer.concat([message("N", "SNOTICE\0\0"), failure("XX000", "no"), ready])
            : row
        })
      })
      const session = yield* open(target(server.port))
      assert.deepStrictEqual(yield* session.query("a", STALL), [["x"]])
      assert.strictEqual((yield* Effect.flip(session.query("bad", STALL))).message, "db error: ERROR: no")
      assert.deepStrictEqual(yield* session.query("b", STALL), [["x"]])
      assert.isTrue(yield* session.isOpen)
      for (const socket of server.sockets) socket.destroy()
      yield* Effect.sleep(50)
      assert.isFalse(yield* session.isOpen)
    })
  )

  it.live("gives up on a server that is silent, and on what is no server", () =>
    Effect.gen(function* () {
      const silent = yield* scriptedServer({ greeting: Buffer.alloc(0) })
      const quick = target(silent.port, { connectTimeout: 100 })
      assert.match(
        (yield* Effect.flip(open(quick))).message,
        /^error connecting to server: no session .* within 100 ms$/
      )
      yield* Effect.sleep(50)
      assert.strictEqual(silent.sockets.size, 0)

      const stalls = yield* scriptedServer(onQuery(Buffer.concat([message("H", "\0\0\0"), message("d", "abc")])))
      const session = yield* open(target(stalls.port))
      const stream = yield* session.copyOut("x", 100)
      assert.include((yield* Effect.flip(bytesOf(stream))).message, "nothing came for 100 ms")

      const web = yield* scriptedServer({ greeting: Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n") })
      assert.strictEqual((yield* Effect.flip(open(target(web.port)))).kind, "protocol")
      const nobody = yield* Effect.flip(open(target(1)))
      assert.match(nobody.message, /^error connecting to server: Connection refused \(os error \d+\)$/)
      const gss = yield* scriptedServer({ greeting: message("R", "\0\0\0\x07") })
      const password = Redacted.make("x")
      assert.include((yield* Effect.flip(open(target(gss.port, { password })))).message, "authentication method 7")
    })
  )

  it.live("tries the next address when one does not answer", () =>
    Effect.gen(function* () {
      const server = yield* scriptedServer({})
      const connection = Result.getOrThrow(parse(`postgresql://127.0.0.1:1,127.0.0.1:${server.port}/`))
      const session = yield* open({ ...target(server.port), connection })
      assert.isTrue(yield* session.isOpen)
    })
  )

  it.live("holds a server back that sends faster than it is read", () =>
    Effect.gen(function* () {
      const piece = message("d", Buffer.alloc(64 * 1024, 1))
      const copies = 512
      const whole = Buffer.concat([
        message("H", "\0\0\0"),
        ...Array.from({ length: copies }, () => piece),
        message("c"),
        message("C", "SELECT 1\0"),
        ready
      ])
      const server = yield* scriptedServer(onQuery(whole))
      const session = yield* open(target(server.port))
      const stream = yield* session.copyOut("x", STALL)
      yield* Effect.sleep(300)
      const [socket] = server.sockets
      assert.isAbove(socket?.writableLength ?? 0, 8 * 1024 * 1024)
      const size = yield* Stream.runFold(
        stream,
        () => 0,
        (sum, bytes) => sum + bytes.length
      )
      assert.strictEqual(size, copies * 64 * 1024)
    })
  )

  it.live("closes the socket of an interrupted command", () =>
    Effect.gen(function* () {
      const server = yield* scriptedServer({})
      const fiber = yield* Effect.forkChild(
        Effect.scoped(Effect.flatMap(open(target(server.port)), (session) => session.query("x", 60_000)))
      )
      yield* until(() => server.heard.length > 0)
      assert.deepStrictEqual(server.heard, ["Q x"])
      yield* Fiber.interrupt(fiber)
      yield* until(() => server.sockets.size === 0)
    })
  )

  it.live("asks for TLS only when told to, and insists only when told to", () =>
    Effect.gen(function* () {
      const plain = yield* scriptedServer({ greeting: Buffer.from("N") })
      const required = yield* Effect.flip(open(target(plain.port, {}, "?sslmode=require")))
      assert.include(required.message, "server does not support TLS")
      assert.strictEqual(plain.startups[0]?.toString("hex"), "0000000804d2162f")

      const answers = { bytes: Buffer.concat([message("C", "X\0"), ready]) }
      for (const offers of [true, false]) {
        const server = yield* tlsServer(offers, (type) => (type === "Q" ? answers : undefined))
        const session = yield* open(target(server.port, {}, offers ? "?sslmode=require" : "?sslmode=prefer"))
        assert.deepStrictEqual(yield* session.query("x", STALL), [])
        const verified = yield* Effect.flip(open(target(server.port, {}, "?sslmode=verify-full")))
        assert.include(verified.message, offers ? "error performing TLS handshake" : "server does not support TLS")
      }
    })
  )

  it.live("reads an authority's certificate from a file, and waits for no pipe in its place", () =>
    Effect.gen(function* () {
      const folder = fs.mkdtempSync(path.join(tmpdir(), "session-"))
      const pipe = path.join(folder, "ca.pem")
      execFileSync("mkfifo", [pipe])
      const server = yield* tlsServer(true, () => undefined)
      for (const [file, reason] of [
        [pipe, "it is a pipe, not a regular file"],
        ["/nowhere/ca.pem", "ENOENT: no such file or directory"]
      ]) {
        const refused = yield* Effect.flip(open(target(server.port, {}, `?sslmode=verify-ca&sslrootcert=${file}`)))
        assert.include(refused.message, `${file}: ${reason}`)
      }
      fs.rmSync(folder, { recursive: true })
    })
  )
})
