import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connect, connectMany, exchange, growth, pour, statuses } from "../rig/clients.ts"
import { type ComputeOptions, startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { beside, PROMPT } from "../rig/probe.ts"
import { until } from "../rig/waits.ts"

const LIMIT = 300_000
const PACKET = 60 * 1024

/** An empty compute has both servers, and nothing of Postgres is waited for. */
const empty = (more: Partial<ComputeOptions> = {}) =>
  Effect.gen(function* () {
    const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null, ...more })
    yield* compute.waitFor("empty")
    return compute
  })

const modes: ReadonlyArray<readonly [string, Partial<ComputeOptions>]> = [
  ["", {}],
  [" in lakebase mode", { args: ["--lakebase-mode", "true"], env: { INSTANCE_ID: "i-1" } }]
]

const packetOf = (request: string) => Buffer.from(request.repeat(Math.floor(PACKET / request.length)))

describe("requests of a packet", () => {
  for (const server of ["external", "internal"] as const) {
    it.live(
      `are answered in their order, each with its own answer, by the ${server} server`,
      () =>
        Effect.gen(function* () {
          const compute = yield* empty()
          const count = 1500
          const requests = Array.from(
            { length: count },
            (_, index) => `GET /r HTTP/1.1\r\nX-Request-Id: ${index}\r\n\r\n`
          )
          const port = compute.ports[server]
          const text = yield* exchange(port, requests.join(""), (answer) => statuses(answer).length === count)
          const ids = Array.from(text.matchAll(/x-request-id: (\d+)/g), ([, id]) => Number(id))
          assert.deepStrictEqual(ids, [...Array(count).keys()])
        }),
      LIMIT
    )
  }

  it.live(
    "and bodies between them, in pieces of any size",
    () =>
      Effect.gen(function* () {
        const compute = yield* empty()
        const chunked = "4\r\n\r\n\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n"
        const bytes = Buffer.from(
          [
            "POST /a HTTP/1.1\r\nX-Request-Id: 0\r\nContent-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n",
            `POST /b HTTP/1.1\r\nX-Request-Id: 1\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
            "GET /livez HTTP/1.1\r\nX-Request-Id: 2\r\n\r\n",
            "\r\nPOST /c HTTP/1.1\r\nX-Request-Id: 3\r\nContent-Length: 30\r\n\r\nGET /never HTTP/1.1\r\nX: yes\r\n\r\n",
            "GET /livez HTTP/1.1\r\nX-Request-Id: 4\r\nConnection: close\r\n\r\n",
            "GET /livez HTTP/1.1\r\nX-Request-Id: 5\r\n\r\n"
          ].join("")
        )
        for (const size of [bytes.length, 1, 2, 3, 7, 61]) {
          const client = yield* connect(compute.ports.external)
          client.socket.setNoDelay(true)
          for (let at = 0; at < bytes.length; at += size) {
            client.socket.write(bytes.subarray(at, at + size))
            if (size < bytes.length) yield* Effect.yieldNow
          }
          yield* until(`the end of pieces of ${size}`, client.closed)
          assert.deepStrictEqual(statuses(client.received()), [404, 404, 200, 404, 200], `pieces of ${size}`)
          const ids = Array.from(client.received().matchAll(/x-request-id: (\d+)/g), ([, id]) => Number(id))
          assert.deepStrictEqual(ids, [0, 1, 2, 3, 4], `pieces of ${size}`)
        }
        assert.notInclude(compute.log(), "/never")
      }),
    LIMIT
  )

  it.live(
    "are all answered on many connections that do take turns",
    () =>
      Effect.gen(function* () {
        const compute = yield* empty()
        const clients = yield* connectMany(compute.ports.external, 64)
        const rounds = 50
        for (const { socket } of clients) {
          const ask = () => socket.write("GET /nowhere HTTP/1.1\r\n\r\n")
          socket.on("data", ask)
          ask()
        }
        yield* until("answers on all", () => clients.every(({ received }) => statuses(received()).length >= rounds))
      }),
    LIMIT
  )

  for (const [mode, options] of modes) {
    for (const [path, server] of [
      ["/livez", "external"],
      ["/metrics", "external"],
      ["/nowhere", "internal"]
    ] as const) {
      it.live(
        `of ${path} from a hundred clients that do not read cost little and stop no probe${mode}`,
        () =>
          Effect.gen(function* () {
            const compute = yield* empty(options)
            yield* beside(compute, Effect.sleep("1 second"))
            const grown = yield* growth(compute.pid)
            const packet = packetOf(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
            const clients = yield* connectMany(compute.ports[server], 100, false)
            for (const client of clients) pour(client, packet)
            const { longest, probes } = yield* beside(compute, Effect.sleep("5 seconds"))
            assert.isBelow(longest, PROMPT, `${probes} probes`)
            assert.isBelow(grown(), 300)
          }),
        LIMIT
      )
    }
  }
})
