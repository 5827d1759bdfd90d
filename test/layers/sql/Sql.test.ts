/**
 * Sessions against servers that are not there, or not well.
 */
import { createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Circumstances } from "../../../src/domain/postgres/session/SessionOptions.ts"
import { clientConfig } from "../../../src/layers/sql/connection.ts"
import { type SessionOptions, Sql } from "../../../src/layers/sql/Sql.ts"
import { freePort } from "../../rig/freePort.ts"

const PROTECTION =
  "-c role=cloud_admin -c default_transaction_read_only=off -c search_path= -c statement_timeout=0 -c pgaudit.log=none"
const OLD: Circumstances = { version: { major: 14, minor: null }, commit: null }

/** A server whose connections are all handled so; its port. */
const server = (handle: (socket: Socket, connection: number) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ port: number; close: () => void; connections: () => number }>((resume) => {
      let connections = 0
      const sockets = new Set<Socket>()
      const listening = createServer((socket) => {
        connections += 1
        sockets.add(socket)
        socket.on("error", () => undefined)
        handle(socket, connections)
      }).listen(0, "127.0.0.1", () => {
        const address = listening.address()
        const close = () => {
          for (const socket of sockets) socket.destroy()
          listening.close()
        }
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, close, connections: () => connections }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const message = (type: string, body: Buffer) => {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const errorMessage = (code: string) => message("E", Buffer.from(`SFATAL\0VFATAL\0C${code}\0Mnot now\0\0`))
const ready = Buffer.concat([
  message("R", Buffer.alloc(4)),
  message("K", Buffer.from([0, 0, 0, 42, 0, 0, 0, 7])),
  message("Z", Buffer.from("I"))
])

const session = (port: number, options: { maintenance?: boolean; connectTimeout?: number } = {}) =>
  Effect.flatMap(Sql, (sql) => sql.session({ applicationName: "test", ...options })).pipe(
    Effect.provide(Sql.layerTo(`postgresql://cloud_admin@127.0.0.1:${port}/postgres`))
  )

const configOf = (connstr: string, options: Partial<SessionOptions> = {}) =>
  Result.getOrThrow(clientConfig(connstr, { applicationName: "a", ...options }, OLD))

describe("options", () => {
  it("protects sessions, and lets the connection string have the last word", () => {
    const plain = configOf("postgresql://u@h:1/d")
    assert.ok(plain.options.startsWith(`${PROTECTION} -c local_preload_libraries= `))
    const given = configOf("postgresql://u@h:1/d?options=-c%20statement_timeout%3D5", {
      maintenance: true,
      moreOptions: "-c statement_timeout=2min"
    })
    assert.ok(given.options.startsWith(`${plain.options} -c neon.forward_ddl=false `))
    assert.ok(given.options.endsWith(" -c statement_timeout=2min -c statement_timeout=5"))
  })

  it("uses TLS only when asked to", () => {
    const modeOf = (query: string) => configOf(`postgresql://u@h/d${query}`).connection.sslmode
    assert.strictEqual(modeOf(""), "disable")
    assert.strictEqual(modeOf("?sslmode=disable"), "disable")
    assert.strictEqual(modeOf("?sslmode=verify-full"), "verify-full")
  })

  it("takes a database's name as it is", () => {
    const database = "a=b user='c' %20\t"
    assert.strictEqual(configOf("postgresql://u@h/d", { database }).database, database)
  })

  it("protects a session by another connection string alike, in its own user's name", () => {
    const text = "host=localhost port=5433 dbname=postgres user=cloud_admin sslmode=disable application_name=vm-monitor"
    const { applicationName, connection, database, host, options, port, user } = configOf("postgresql://u@h:1/d", {
      connstr: text
    })
    assert.deepStrictEqual(
      [host, port, database, user, applicationName, connection.sslmode],
      ["localhost", 5433, "postgres", "cloud_admin", "vm-monitor", "disable"]
    )
    assert.strictEqual(options, configOf("postgresql://u@h:1/d").options)
    const other = configOf("postgresql://u@h:1/d", { connstr: "postgresql://watcher@h:2/d" })
    assert.strictEqual(other.options, options.replace("role=cloud_admin", "role=none"))
  })
})

describe("connecting", () => {
  it.live("says that nobody listens", () =>
    Effect.gen(function* () {
      const failed = yield* Effect.flip(session(yield* freePort))
      assert.match(failed.message, /^error connecting to server: Connection refused \(os error \d+\)$/)
    })
  )

  it.live("does not wait for ever for a server that never answers", () =>
    Effect.gen(function* () {
      const { port } = yield* server(() => undefined)
      const begun = performance.now()
      const failed = yield* Effect.flip(session(port, { connectTimeout: 200 }))
      assert.strictEqual(failed.message, "error connecting to server: connection timed out")
      assert.isBelow(performance.now() - begun, 10_000)
    })
  )

  it.live("tries again while the server starts up, for maintenance only", () =>
    Effect.gen(function* () {
      const starting = yield* server((socket, connection) =>
        socket.once("data", () => (connection < 3 ? socket.end(errorMessage("57P03")) : socket.write(ready)))
      )
      const failed = yield* Effect.flip(session(starting.port))
      assert.strictEqual(failed.sqlstate, "57P03")
      yield* session(starting.port, { maintenance: true })
      assert.strictEqual(starting.connections(), 3)
    })
  )

  it.live("refuses at once what will not pass", () =>
    Effect.gen(function* () {
      const refusing = yield* server((socket) => socket.once("data", () => socket.end(errorMessage("3D000"))))
      const failed = yield* Effect.flip(session(refusing.port, { maintenance: true }))
      assert.deepStrictEqual([failed.sqlstate, failed.message], ["3D000", "db error: FATAL: not now"])
      assert.strictEqual(refusing.connections(), 1)
    })
  )
})

describe("statements", () => {
  it.live("are cancelled in the server by interruption, and given up when that does not help", () =>
    Effect.gen(function* () {
      const cancels: Array<string> = []
      const deaf = yield* server((socket) =>
        socket.once("data", (data: Buffer) => {
          if (data.readInt32BE(4) === 80877102) cancels.push(`${data.readInt32BE(8)} ${data.readInt32BE(12)}`)
          else socket.write(ready)
        })
      )
      const begun = performance.now()
      const ended = yield* session(deaf.port).pipe(
        Effect.flatMap(({ query }) => query("SELECT pg_sleep(100)")),
        Effect.scoped,
        Effect.timeoutOption("100 millis")
      )
      assert.strictEqual(ended._tag, "None")
      assert.deepStrictEqual(cancels, ["42 7"])
      assert.isBelow(performance.now() - begun, 30_000)
    })
  )

  it.live("fail when the connection breaks", () =>
    Effect.gen(function* () {
      const breaking = yield* server((socket) =>
        socket.once("data", () => {
          socket.write(ready)
          socket.once("data", () => socket.destroy())
        })
      )
      const { script } = yield* session(breaking.port)
      assert.strictEqual((yield* Effect.flip(script("SELECT 1"))).message, "connection closed")
      assert.strictEqual((yield* Effect.flip(script("SELECT 2"))).message, "connection closed")
    })
  )
})
