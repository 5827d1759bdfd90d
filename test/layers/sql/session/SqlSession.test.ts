/**
 * Sessions of ours with servers that say what a test wants.
 */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Sql } from "../../../../src/layers/sql/Sql.ts"
import { failure, message, ready, scriptedServer, tlsServer, welcome } from "../wire/scriptedServer.ts"

const session = (port: number, query = "", user = "cloud_admin:secret") =>
  Effect.flatMap(Sql, (sql) => sql.session({ applicationName: "test" })).pipe(
    Effect.provide(Sql.layerTo(`postgresql://${user}@127.0.0.1:${port}/postgres${query}`))
  )

const int16 = (value: number) => Buffer.from([value >> 8, value & 255])
const column = (name: string, type: number) =>
  Buffer.concat([
    Buffer.from(`${name}\0`),
    Buffer.alloc(6),
    Buffer.from([0, 0, type >> 8, type & 255]),
    Buffer.alloc(8)
  ])
const columns = (...all: ReadonlyArray<readonly [string, number]>) =>
  message("T", Buffer.concat([int16(all.length), ...all.map(([name, type]) => column(name, type))]))
const row = (...values: ReadonlyArray<Buffer>) =>
  message(
    "D",
    Buffer.concat([int16(values.length), ...values.flatMap((value) => [int16(0), int16(value.length), value])])
  )
const done = Buffer.concat([message("C", "SELECT 1\0"), ready])
const answering = (bytes: Buffer) =>
  scriptedServer({ answer: (type) => (type === "Q" || type === "S" ? { bytes } : undefined) })

describe("an answer", () => {
  it.live("has values of the types that our statements ask for", () =>
    Effect.gen(function* () {
      const described = columns(["a", 23], ["b", 20], ["c", 16], ["d", 17], ["e", 701], ["f", 25])
      const values = ["7", "9007199254740993", "t", "\\x00ff", "1.5"].map((text) => Buffer.from(text))
      const bytes = Buffer.concat([described, row(...values, Buffer.from([0x61, 0xff])), done])
      const server = yield* answering(bytes)
      const { query } = yield* session(server.port)
      const expected = [{ a: 7, b: "9007199254740993", c: true, d: Buffer.from([0, 255]), e: 1.5, f: "a\ufffd" }]
      assert.deepStrictEqual(yield* query("SELECT"), expected)
      assert.deepStrictEqual(yield* query("SELECT $1", [["x", '"\\'], 1, null]), expected)
      const bound = server.heard.find((heard) => heard.startsWith("B"))
      assert.include(bound, '{"x","\\"\\\\"}')
    })
  )

  it.live("that is an error has its code, its hint and its detail, and the session goes on", () =>
    Effect.gen(function* () {
      const text = "SERROR\0C42704\0Mno \xff such\0Ddetail\0Hhint\0\0"
      const server = yield* answering(Buffer.concat([message("N", "SNOTICE\0Mx\0\0"), message("E", text), ready]))
      const { script } = yield* session(server.port)
      for (const _ of [1, 2]) {
        const failed = yield* Effect.flip(script("SELECT 1; SELECT 2"))
        assert.strictEqual(failed.message, "db error: ERROR: no \ufffd such\nDETAIL: detail\nHINT: hint")
        assert.deepStrictEqual([failed.sqlstate, failed.detail, failed.hint], ["42704", "detail", "hint"])
      }
    })
  )

  it.live("prefers why the server ends to that it has", () =>
    Effect.gen(function* () {
      const server = yield* scriptedServer({
        answer: (type) => (type === "Q" ? { bytes: failure("57P01", "terminating"), hangUp: true } : undefined)
      })
      const { script } = yield* session(server.port)
      assert.strictEqual((yield* Effect.flip(script("SELECT 1"))).sqlstate, "57P01")
      assert.strictEqual((yield* Effect.flip(script("SELECT 1"))).message, "connection closed")
    })
  )

  it.live("may be larger than storage's, but not of any size", () =>
    Effect.gen(function* () {
      const large = Buffer.alloc(2 * 1024 * 1024, "x")
      const length = Buffer.alloc(4)
      length.writeInt32BE(large.length)
      const data = message("D", Buffer.concat([int16(1), length, large]))
      const fits = yield* session((yield* answering(Buffer.concat([columns(["a", 25]), data, done]))).port)
      const [first] = yield* fits.query<{ a: string }>("SELECT")
      assert.strictEqual(first?.a.length, large.length)

      const head = Buffer.from("D\0\0\0\0")
      head.writeUInt32BE(64 * 1024 * 1024 + 1, 1)
      const server = yield* answering(Buffer.concat([columns(["a", 25]), head]))
      const { query } = yield* session(server.port)
      assert.strictEqual(
        (yield* Effect.flip(query("SELECT"))).message,
        "error communicating with the server: invalid message length: 67108865, the limit is 67108864"
      )
      assert.strictEqual((yield* Effect.flip(query("SELECT"))).message, "connection closed")
    })
  )

  it.live("that is none ends the connection", () =>
    Effect.gen(function* () {
      const server = yield* answering(Buffer.concat([columns(["a", 25]), message("D", "\0\x02")]))
      const { query } = yield* session(server.port)
      assert.include((yield* Effect.flip(query("SELECT"))).message, "invalid data row")
      assert.strictEqual((yield* Effect.flip(query("SELECT"))).message, "connection closed")
    })
  )
})

describe("a password", () => {
  it.live("is proved by MD5", () =>
    Effect.gen(function* () {
      const md5 = (bytes: string | Buffer) => createHash("md5").update(bytes).digest("hex")
      const expected = `md5${md5(Buffer.from(`${md5("secretcloud_admin")}salt`))}`
      const server = yield* scriptedServer({
        greeting: message("R", "\0\0\0\x05salt"),
        answer: (type, body) => (type === "p" && body.toString() === `${expected}\0` ? { bytes: welcome } : undefined)
      })
      yield* session(server.port)
    })
  )

  it.live("admits nobody who does not know it: a server that breaks its own proof off is left", () =>
    Effect.gen(function* () {
      const server = yield* scriptedServer({
        greeting: message("R", "\0\0\0\x0aSCRAM-SHA-256\0\0"),
        answer: (type) => (type === "p" ? { bytes: welcome } : undefined)
      })
      const failed = yield* Effect.flip(session(server.port))
      assert.include(failed.message, "has not shown that it knows the password")
    })
  )
})

describe("TLS", () => {
  const answer = (type: string) => (type === "Q" ? { bytes: done } : undefined)

  it.live("is used when it is offered, insisted on when told to, and looked at by verify", () =>
    Effect.gen(function* () {
      for (const offers of [true, false]) {
        const { port } = yield* tlsServer(offers, answer)
        yield* Effect.flatMap(session(port, "?sslmode=prefer"), ({ script }) => script("SELECT 1"))
        const verified = yield* Effect.flip(session(port, "?sslmode=verify-full"))
        assert.match(
          verified.message,
          offers
            ? /^error connecting to server: error performing TLS handshake/
            : /^error connecting to server: server does not support TLS$/
        )
        if (offers) yield* session(port, "?sslmode=require")
        else yield* Effect.flip(session(port, "?sslmode=require"))
      }
    })
  )

  it.live("with a certificate that is none fails the connection, and nothing else", () =>
    Effect.gen(function* () {
      const { port } = yield* tlsServer(true, answer)
      const file = new URL(import.meta.url).pathname
      const failed = yield* Effect.flip(session(port, `?sslmode=require&sslcert=${file}&sslkey=${file}`))
      assert.include(failed.message, "error performing TLS handshake")
    })
  )
})
