/**
 * Clients that ask for much and read none of it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connectMany, growth, pour } from "../rig/clients.ts"
import { startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { beside, PROMPT } from "../rig/probe.ts"
import { adminToken } from "../rig/tokens.ts"

describe("requests by the packet, of which no answer is read", () => {
  it.live(
    "cost what is kept of them, and not what has been read, once more behind that, or was kept for those who are gone",
    () =>
      Effect.gen(function* () {
        const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null })
        yield* compute.waitFor("empty")
        const grown = yield* growth(compute.pid)
        const packet = Buffer.from("GET /metrics HTTP/1.1\r\n\r\n".repeat(2500))
        const clients = yield* connectMany(compute.ports.external, 900, false)
        for (const client of clients) pour(client, packet)
        const { longest } = yield* beside(compute, Effect.sleep("3 seconds"))
        assert.isBelow(longest, PROMPT)
        assert.isBelow(grown(), 200)
      }),
    120_000
  )
})

describe("answers that nobody reads", () => {
  for (const path of ["/metrics", "/status"]) {
    it.live(
      `cost little: ${path}`,
      () =>
        Effect.gen(function* () {
          const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null })
          yield* compute.waitFor("empty")
          const grown = yield* growth(compute.pid)
          const request = `GET ${path} HTTP/1.1\r\nAuthorization: Bearer ${adminToken()}\r\n\r\n`
          for (const { socket } of yield* connectMany(compute.ports.external, 300, false)) {
            socket.write(request.repeat(200))
          }
          const { longest } = yield* beside(compute, Effect.sleep("2 seconds"))
          assert.isBelow(longest, PROMPT)
          assert.isBelow(grown(), 200)
        }),
      300_000
    )
  }
})
