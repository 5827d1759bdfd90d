import type { AddressInfo } from "node:net"
import * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defaultServer, ping } from "../../../src/layers/observe/ServerPing.ts"

const AUTHENTICATION_OK = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0])
const errorResponse = (code: string, text: string) => {
  const body = Buffer.from(`SFATAL\0C${code}\0M${text}\0\0`)
  const head = Buffer.from([0x45, 0, 0, 0, 0])
  head.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

/** Answers a startup packet with these parts, or never. */
const server = (parts: ReadonlyArray<Buffer> | "close") =>
  Effect.acquireRelease(
    Effect.callback<net.Server>((resume) => {
      const listening = net.createServer((socket) => {
        socket.on("error", () => undefined)
        socket.once("data", async () => {
          if (parts === "close") return socket.destroy()
          for (const part of parts) {
            socket.write(part)
            await new Promise((resolve) => setTimeout(resolve, 10))
          }
        })
      })
      listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
    }),
    (listening) => Effect.sync(() => listening.close())
  ).pipe(Effect.map((listening) => ({ host: "127.0.0.1", port: (listening.address() as AddressInfo).port })))

const outcome = (parts: ReadonlyArray<Buffer> | "close") =>
  Effect.flatMap(server(parts), (address) =>
    ping({ server: address, user: "u", database: "d", options: "" }).pipe(
      Effect.as("accepting"),
      Effect.catch((error) => Effect.succeed(error.message))
    )
  )

describe("ping of a server", () => {
  it.live("takes a request to authenticate, or a refusal, for an answer", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* outcome([AUTHENTICATION_OK]), "accepting")
      const refusal = errorResponse("28000", 'role "u" does not exist')
      assert.strictEqual(yield* outcome([refusal.subarray(0, 7), refusal.subarray(7)]), "accepting")
    })
  )

  it.live("opens with the options that protect a session: who is trusted gets it before it says goodbye", () =>
    Effect.gen(function* () {
      const packets: Array<string> = []
      const listening = yield* Effect.acquireRelease(
        Effect.callback<net.Server>((resume) => {
          const made = net.createServer((socket) => {
            socket.on("error", () => undefined)
            socket.once("data", (packet) => {
              packets.push(packet.toString().slice(8))
              socket.end(AUTHENTICATION_OK)
            })
          })
          made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
        }),
        (made) => Effect.sync(() => made.close())
      )
      const { port } = listening.address() as AddressInfo
      const options = "-c search_path= -c event_triggers=off"
      yield* ping({ server: { host: "127.0.0.1", port }, user: "u", database: "d", options })
      assert.deepStrictEqual(packets, [
        `user\0u\0database\0d\0application_name\0compute_ctl:liveness\0options\0${options}\0\0`
      ])
    })
  )

  it.live("does not take a server that starts or stops for one that accepts", () =>
    Effect.gen(function* () {
      const text = "the database system is starting up"
      assert.strictEqual(yield* outcome([errorResponse("57P03", text)]), text)
      assert.strictEqual(yield* outcome([Buffer.from("HTTP/1.1 400 Bad Request\r\n")]), "the answer is not Postgres'")
      assert.include(yield* outcome("close"), "closed")
    })
  )

  it.live("does not wait for ever", () =>
    Effect.map(outcome([]), (text) => assert.strictEqual(text, "no answer within 3 s"))
  )

  it("looks where the binaries' own clients look", () => {
    assert.deepStrictEqual(defaultServer("/usr/lib/postgresql/15/bin/postgres", 5432).server, {
      path: "/var/run/postgresql/.s.PGSQL.5432"
    })
    assert.deepStrictEqual(defaultServer("/usr/local/bin/postgres", 1).server, { path: "/tmp/.s.PGSQL.1" })
  })
})
