/**
 * Heads of requests that others read differently, and what comes back of them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connect } from "../rig/clients.ts"
import { startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { adminToken } from "../rig/tokens.ts"
import { until } from "../rig/waits.ts"

const LIMIT = 300_000

const empty = Effect.gen(function* () {
  const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null })
  yield* compute.waitFor("empty")
  return compute
})

/** Everything that comes until the connection closes, a byte a character. */
const exchange = (port: number, text: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* connect(port)
      client.socket.write(text, "latin1")
      yield* until("the connection to close", client.closed)
      return client.received()
    })
  )

describe("a request id", () => {
  it.live(
    "comes back byte for byte, whatever the answer has behind it",
    () =>
      Effect.gen(function* () {
        const compute = yield* empty
        const token = `Authorization: Bearer ${adminToken()}`
        for (const id of ["\xff\xe9\x80\x9b", "caf\xc3\xa9", `${"\xe9".repeat(50_000)}`]) {
          for (const [request, status] of [
            ["GET /nope HTTP/1.1", 404],
            ["GET /livez HTTP/1.1", 200],
            ["HEAD /livez HTTP/1.1", 200],
            [`GET /status HTTP/1.1\r\n${token}`, 200],
            ["GET /status HTTP/1.1", 400],
            ["GET /metrics HTTP/1.1", 200],
            [`POST /configure HTTP/1.1\r\n${token}\r\nContent-Length: 0`, 415]
          ] as const) {
            const head = `${request}\r\nX-Request-Id: ${id}\r\nConnection: close\r\n\r\n`
            const answer = yield* exchange(compute.ports.external, head)
            assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), request)
            assert.strictEqual(/^x-request-id: (.*)\r$/m.exec(answer)?.[1], id, request)
          }
        }
      }),
    LIMIT
  )
})

describe("a body in chunks in HTTP/1.0", () => {
  it.live(
    "which has none, is refused, and what comes behind it is not executed",
    () =>
      Effect.gen(function* () {
        const compute = yield* empty
        for (const server of ["external", "internal"] as const) {
          const answer = yield* exchange(
            compute.ports[server],
            "POST /configure HTTP/1.0\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n" +
              `Authorization: Bearer ${adminToken()}\r\n` +
              "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nGET /livez HTTP/1.1\r\n\r\n"
          )
          assert.match(answer, /^HTTP\/1\.1 400 /)
          assert.strictEqual(answer.match(/HTTP\/1\.1 /g)?.length, 1)
        }
      }),
    LIMIT
  )
})
