/**
 * Servers that speak the protocol, but say too much.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { parse } from "../../../../src/domain/postgres/ConnectionString.ts"
import { open } from "../../../../src/layers/sql/wire/Session.ts"
import { until } from "../../../rig/waits.ts"
import { failure, message, ready, scriptedServer, welcome } from "./scriptedServer.ts"

/** Milliseconds: whoever waits for it says so, and not what is complained of here. */
const STALL = 100_000
const many = (one: Buffer, count = 20_000) => Buffer.concat(Array.from({ length: count }, () => one))
const notice = message("N", "SNOTICE\0Mx\0\0")
const parameter = message("S", "a\0b\0")
const ok = message("R", "\0\0\0\0")
const password = message("R", "\0\0\0\u0003")
const copying = message("H", "\0\0\0")
const row = message("D", "\0\u0001\0\0\0\u0001x")
/** Its head alone: what is promised must not be waited for, let alone reserved. */
const promised = (type: string, length: number) => {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(length, 1)
  return head
}

const session = (port: number) =>
  open({
    connection: Result.getOrThrow(parse(`postgresql://no_user@127.0.0.1:${port}`)),
    parameters: [["user", "no_user"]],
    password: Redacted.make("token"),
    connectTimeout: STALL
  })

describe("a greeting", () => {
  for (const [what, greeting, complaint] of [
    ["of notices alone", many(notice), "messages without an answer"],
    ["of parameters alone", Buffer.concat([ok, many(parameter)]), "messages without an answer"],
    ["that asks for the password again and again", many(password, 3), "authentication method 3 is not supported"],
    ["that admits twice", Buffer.concat([ok, ok, ready]), "unexpected message from server: R"],
    ["that is ready before it admits", ready, "unexpected message from server: Z"],
    ["of 2 GB", promised("R", 0x7fffffff), "invalid message length: 2147483647"],
    ["of an error of 2 MB", promised("E", 2 * 1024 * 1024), "invalid message length: 2097152"],
    ["shorter than its own length", promised("R", 3), "invalid message length: 3"],
    ["of another protocol", Buffer.from("HTTP/1.1 400 Bad Request\r\n"), "invalid message length"]
  ] as const) {
    it.live(`${what} ends the session at once, and its socket`, () =>
      Effect.gen(function* () {
        const server = yield* scriptedServer({ greeting })
        const error = yield* Effect.flip(Effect.scoped(session(server.port)))
        assert.include(error.message, complaint)
        yield* until("its socket to be closed", () => server.sockets.size === 0)
      })
    )
  }
})

describe("an answer", () => {
  const asked = (bytes: Buffer) =>
    Effect.gen(function* () {
      const server = yield* scriptedServer({
        greeting: welcome,
        answer: (type) => (type === "Q" ? { bytes } : undefined)
      })
      return yield* session(server.port)
    })

  for (const [what, bytes, complaint] of [
    ["of notices", many(notice), "messages without an answer"],
    ["of readiness", many(ready), "messages without an answer"],
    ["of rows", many(row), "the answer has more than 1048576 bytes"],
    ["of descriptions", many(message("T", "\0\0")), "the answer has more than 1048576 bytes"],
    ["of a row of 2 GB", promised("D", 0x7fffffff), "invalid message length"],
    ["of a row that lies about its values", message("D", "\0\u0002\0\0\0\u0001x"), "invalid data row"],
    ["of a row that is none", message("D", "\0"), "invalid data row"]
  ] as const) {
    it.live(`${what} without an end fails the query`, () =>
      Effect.gen(function* () {
        const opened = yield* asked(bytes)
        assert.include((yield* Effect.flip(opened.query("TIMELINE_STATUS", STALL))).message, complaint)
      })
    )
  }

  for (const [what, bytes, complaint] of [
    ["of empty pieces", Buffer.concat([copying, many(message("d"))]), "messages without an answer"],
    ["of notices", Buffer.concat([copying, many(notice)]), "messages without an answer"],
    ["that is done and done", Buffer.concat([copying, many(message("c"))]), "messages without an answer"],
    ["with a piece of 2 GB", Buffer.concat([copying, promised("d", 0x7fffffff)]), "invalid message length"],
    ["of notices before it begins", many(notice), "messages without an answer"]
  ] as const) {
    it.live(`to a copy ${what} fails it`, () =>
      Effect.gen(function* () {
        const opened = yield* asked(bytes)
        const copied = Effect.flatMap(opened.copyOut("basebackup", STALL), Stream.runDrain)
        assert.include((yield* Effect.flip(copied)).message, complaint)
      })
    )
  }

  it.live("may have notices between its pieces", () =>
    Effect.gen(function* () {
      const piece = Buffer.concat([many(notice, 5_000), message("d", "x")])
      const opened = yield* asked(
        Buffer.concat([copying, many(piece, 10), message("c"), message("C", "SELECT\0"), ready])
      )
      const bytes = yield* Effect.flatMap(opened.copyOut("basebackup", STALL), Stream.runCount)
      assert.strictEqual(bytes, 10)
    })
  )

  it.live("is shown up to a limit, and its code is one", () =>
    Effect.gen(function* () {
      const opened = yield* asked(failure("XX000 and more", "x".repeat(1_000_000)))
      const error = yield* Effect.flip(opened.query("TIMELINE_STATUS", STALL))
      assert.isBelow(error.message.length, 5_000)
      assert.strictEqual(error.sqlstate, "XX000")
    })
  )
})
