import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connect, connectMany, exchange, growth, pour, statuses } from "../rig/clients.ts"
import { type ComputeOptions, startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { beside, PROMPT } from "../rig/probe.ts"
import { makeConfig } from "../rig/spec.ts"
import { adminToken } from "../rig/tokens.ts"
import { until } from "../rig/waits.ts"

const LIMIT = 300_000

/** An empty compute has both servers, and nothing of Postgres is waited for. */
const empty = (more: Partial<ComputeOptions> = {}) =>
  Effect.gen(function* () {
    const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null, ...more })
    yield* compute.waitFor("empty")
    return compute
  })

const head = (path: string, ...headers: ReadonlyArray<string>) =>
  `POST ${path} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`
const JSON_TYPE = "Content-Type: application/json"
const bearer = () => `Authorization: Bearer ${adminToken()}`
const CHUNKED = "Transfer-Encoding: chunked"
const answered = (text: string) => statuses(text).length > 0

describe("a body that nobody wants", () => {
  it.live(
    "is refused before it is read, also where one is expected",
    () =>
      Effect.gen(function* () {
        const { ports } = yield* empty()
        const asked: ReadonlyArray<readonly [number, string, number]> = [
          [ports.external, head("/configure", JSON_TYPE, "Content-Length: 40000000"), 400],
          [ports.external, head("/configure", JSON_TYPE, bearer(), "Content-Length: 100000000"), 413],
          [ports.external, head("/nowhere", "Content-Length: 40000000"), 404],
          [ports.internal, head("/grants", JSON_TYPE, "Content-Length: 65537"), 413],
          [ports.internal, head("/failpoints", JSON_TYPE, "Content-Length: 40000000"), 404],
          [ports.external, head("/configure", JSON_TYPE, "Expect: 100-continue", "Content-Length: 9"), 400]
        ]
        for (const [port, request, status] of asked) {
          const text = yield* exchange(port, request, answered)
          assert.deepStrictEqual(statuses(text), [status], request)
        }
      }),
    LIMIT
  )

  it.live(
    "is told to come only when it is read",
    () =>
      Effect.gen(function* () {
        const { ports } = yield* empty()
        const client = yield* connect(ports.external)
        client.socket.write(head("/configure", JSON_TYPE, bearer(), "Expect: 100-continue", "Content-Length: 2"))
        yield* until("100", () => answered(client.received()))
        assert.deepStrictEqual(statuses(client.received()), [100])
        client.socket.write("{}")
        yield* until("the answer", () => statuses(client.received()).length === 2)
        assert.deepStrictEqual(statuses(client.received()), [100, 422])
      }),
    LIMIT
  )

  for (const [name, request, status] of [
    ["of an unknown path", head("/nowhere", CHUNKED), 404],
    ["without a token", head("/configure", JSON_TYPE, CHUNKED), 400],
    ["of a probe", head("/livez", CHUNKED), 405]
  ] as const) {
    it.live(
      `and has no end is cut: ${name}`,
      () =>
        Effect.gen(function* () {
          const compute = yield* empty()
          const grown = yield* growth(compute.pid)
          const client = yield* connect(compute.ports.external)
          client.socket.write(request)
          pour(client, Buffer.from(`8000\r\n${"x".repeat(0x8000)}\r\n`))
          yield* until("the end of the connection", client.closed, 60_000)
          assert.deepStrictEqual(statuses(client.received()), [status])
          assert.isBelow(grown(), 150)
        }),
      LIMIT
    )
  }
})

describe("many bodies at once", () => {
  it.live(
    "share what memory there is for them; the one that brings something is taken",
    () =>
      Effect.gen(function* () {
        const compute = yield* empty({ args: ["--lakebase-mode", "true"], env: { INSTANCE_ID: "i-1" } })
        const grown = yield* growth(compute.pid)
        const clients = yield* connectMany(compute.ports.external, 100)
        for (const client of clients) {
          client.socket.write(`${head("/configure", JSON_TYPE, "Content-Length: 40000000")}{`)
          // A part of it, and then nothing more.
          client.socket.write(Buffer.alloc(5_000_000, " "))
        }
        const body = { ...makeConfig(compute.spec), more: " ".repeat(1_000_000) }
        const { value, longest } = yield* beside(
          compute,
          compute.http({ method: "POST", path: "/configure", token: null, body, limit: 120_000 })
        )
        assert.include([200, 412, 500], value.status, value.body.slice(0, 300))
        assert.isBelow(longest, PROMPT)
        assert.isBelow(grown(), 300)
      }),
    LIMIT
  )
})

describe("bodies of 60 MB, as many and as fast as they are taken", () => {
  it.live(
    "cost one of them at a time, and no text beside its bytes",
    () =>
      Effect.gen(function* () {
        const compute = yield* empty()
        const grown = yield* growth(compute.pid)
        for (const client of yield* connectMany(compute.ports.external, 40)) {
          client.socket.write(`${head("/configure", JSON_TYPE, bearer(), "Content-Length: 60000000")}{`)
          pour(client, Buffer.alloc(64 * 1024, " "))
        }
        const { longest } = yield* beside(compute, Effect.sleep("4 seconds"))
        assert.isBelow(longest, PROMPT)
        assert.isBelow(grown(), 220)
      }),
    LIMIT
  )
})

describe("what is no request", () => {
  it.live(
    "is refused, and what comes behind it is not executed",
    () =>
      Effect.gen(function* () {
        const compute = yield* empty()
        const behind = "GET /smuggled HTTP/1.1\r\n\r\n"
        const wrong: ReadonlyArray<readonly [string, number]> = [
          [head("/nowhere", "Content-Length: 5", CHUNKED), 400],
          [head("/nowhere", "Content-Length: 5", "Content-Length: 6"), 400],
          [head("/nowhere", "Content-Length: +5"), 400],
          [head("/nowhere", "Transfer-Encoding: chunked, identity"), 400],
          [head("/nowhere", "Transfer-Encoding : chunked"), 400],
          [`GET /nowhere HTTP/1.1\r\n${"a: b\r\n".repeat(101)}\r\n`, 431],
          [`GET /nowhere HTTP/1.1\r\na: ${"b".repeat(70_000)}\r\n\r\n`, 431],
          [`GET /${"n".repeat(70_000)} HTTP/1.1\r\n\r\n`, 431]
        ]
        for (const [request, status] of wrong) {
          const text = yield* exchange(compute.ports.external, request + behind)
          assert.deepStrictEqual(statuses(text), [status], request.slice(0, 100))
        }
        const upgrade = "GET /livez HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        assert.deepStrictEqual(statuses(yield* exchange(compute.ports.external, upgrade, answered)), [200])
        assert.strictEqual(yield* exchange(compute.ports.external, `CONNECT a:1 HTTP/1.1\r\n\r\n${behind}`), "")
        assert.notInclude(compute.log(), "/smuggled")
      }),
    LIMIT
  )

  it.live(
    "but empty lines without end, ends",
    () =>
      Effect.gen(function* () {
        const compute = yield* empty()
        const client = yield* connect(compute.ports.external)
        pour(client, Buffer.from("\r\n".repeat(8192)))
        yield* until("the end of the connection", client.closed)
      }),
    LIMIT
  )
})

/** Any kernel keeps so many for a listener that does not accept. */
const MANY = 100

describe("bodies in the smallest chunks, of clients that all come at once", () => {
  it.live(
    "do not keep a probe waiting that comes behind them",
    () =>
      Effect.gen(function* () {
        const compute = yield* empty()
        const request = `${head("/configure", JSON_TYPE, CHUNKED)}${"1\r\n \r\n".repeat(10_000)}`
        // While the program stands still they all arrive, and the probe behind them: then only the order counts, no clock.
        compute.signal("SIGSTOP")
        const clients = yield* connectMany(compute.ports.external, MANY)
        for (const client of clients) client.socket.write(request)
        const probe = yield* connect(compute.ports.external)
        let before = Number.NaN
        probe.socket.once("data", () => {
          before = clients.filter((client) => answered(client.received())).length
        })
        probe.socket.write("GET /livez HTTP/1.1\r\n\r\n")
        yield* until("all of it to be sent", () =>
          [...clients, probe].every(({ socket }) => socket.writableLength === 0)
        )
        compute.signal("SIGCONT")
        yield* until("the answer", () => answered(probe.received()))
        assert.deepStrictEqual(statuses(probe.received()), [200])
        // Where connections and what they bring take turns it is nearly all of them.
        assert.isBelow(before, MANY / 2)
      }),
    LIMIT
  )
})
