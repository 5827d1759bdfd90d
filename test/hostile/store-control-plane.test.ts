/**
 * A control plane whose answers have no end, or lead elsewhere.
 */
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { isKnown, peakMemory } from "../rig/resources.ts"

const base64 = (text: string) => Buffer.from(text).toString("base64")
const head = (...lines: ReadonlyArray<string>) => base64(["HTTP/1.1 200 OK", ...lines, "", ""].join("\r\n"))
const spaces = " ".repeat(64 * 1024)
const refresh = { method: "POST", path: "/refresh_configuration", server: "internal", token: null } as const

/** Far more than the limit of an answer, twice, and far less than an answer without an end. */
const MOST_MEMORY = 1000

/** Each in three tries; a string of 545 MB cannot be made, and throws where nobody expects it. */
const floods = [
  ["without an end", head("transfer-encoding: chunked"), base64(`10000\r\n${spaces}\r\n`)],
  ["of 545 MB", head("content-length: 571473920"), base64(spaces)],
  ["up to the end of the connection", head("connection: close"), base64(spaces)]
] as const

for (const [kind, bytes, repeat] of floods) {
  it.live(
    `an answer ${kind} ends the start with its reason`,
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        emulator.world.faults = [{ peer: "control", action: { do: "raw", bytes, repeat } }]
        const compute = yield* startCompute({ emulator, source: "control-plane" })
        let peak = 0
        const sampling = setInterval(() => {
          peak = Math.max(peak, peakMemory(compute.pid))
        }, 5)
        const ended = yield* Effect.ensuring(
          compute.ended,
          Effect.sync(() => clearInterval(sampling))
        )
        assert.deepStrictEqual(ended, { code: 1, signal: null })
        assert.match(
          compute.log(),
          /could not perform request to control plane: the answer has more than 67108864 bytes/
        )
        if (isKnown) assert.isBelow(peak, MOST_MEMORY)
      }),
    300_000
  )
}

it.live(
  "an answer without an end costs a running compute nothing but the refresh",
  () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      const compute = yield* startCompute({
        emulator,
        source: "control-plane",
        spec: { skip_pg_catalog_updates: true }
      })
      yield* compute.waitFor("running")
      const [, bytes, repeat] = floods[1]
      emulator.world.faults = [{ peer: "control", times: 3, action: { do: "raw", bytes, repeat } }]
      yield* compute.http(refresh)
      yield* compute.waitForLog(/attempt 3 to get config failed|Exhausted all attempts/)
      yield* compute.waitFor("running")
      assert.match(compute.log(), /the answer has more than 67108864 bytes/)
      if (isKnown) assert.isBelow(peakMemory(compute.pid), MOST_MEMORY)
      const ended = yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })
      assert.strictEqual(ended.status, 200)
    }),
  300_000
)

it.live(
  "an answer that changes the protocol is none, and nobody waits for another",
  () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      const bytes = base64("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\nhello")
      emulator.world.faults = [{ peer: "control", times: 2, action: { do: "raw", bytes } }]
      const compute = yield* startCompute({ emulator, source: "control-plane", spec: null })
      yield* compute.waitFor("empty")
      assert.match(compute.log(), /attempt 2 to get config failed.*connection closed without an answer/)
    }),
  300_000
)

/** A server that notes the authorization of every request and answers 404. */
const stranger = Effect.acquireRelease(
  Effect.callback<{ readonly server: Server; readonly port: number; readonly seen: Array<string | undefined> }>(
    (resume) => {
      const seen: Array<string | undefined> = []
      const server = createServer((request, response) => {
        seen.push(request.headers.authorization)
        response.writeHead(404).end()
      })
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({ server, seen, port: (server.address() as AddressInfo).port }))
      )
    }
  ),
  ({ server }) => Effect.sync(() => server.closeAllConnections() ?? server.close())
)

it.live(
  "a redirect takes the token to no other scheme, host or port, and not back again",
  () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      const { port: other, seen } = yield* stranger
      const own = new URL(emulator.addresses.control_plane).port
      const redirect = (match: string, location: string) => ({
        peer: "control" as const,
        match,
        action: {
          do: "raw" as const,
          bytes: base64(`HTTP/1.1 307 Moved\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`)
        }
      })
      const asked = () =>
        emulator.world.asked
          .filter(({ peer }) => peer === "control")
          .map(({ text, detail }) => `${text.split("/").at(-1)} ${detail["authorization"] ?? "-"}`)
      const trace = (locations: ReadonlyArray<readonly [match: string, location: string]>) =>
        Effect.gen(function* () {
          emulator.world.asked.length = 0
          emulator.world.faults = locations.map(([match, location]) => redirect(match, location))
          const compute = yield* startCompute({
            emulator,
            source: "control-plane",
            env: { NEON_CONTROL_PLANE_TOKEN: "token-of-ours" }
          })
          yield* compute.ended
          assert.notInclude(compute.log(), "token-of-ours")
          return asked()
        }).pipe(Effect.scoped)

      const ours = "Bearer token-of-ours"
      // Another port.
      assert.deepStrictEqual(yield* trace([["/spec", `http://127.0.0.1:${other}/x`]]), [`spec ${ours}`])
      // Another name of the same machine, and back to the first: it is not given out again.
      assert.deepStrictEqual(
        yield* trace([
          ["/spec", `http://localhost:${own}/name`],
          ["/name", `http://127.0.0.1:${own}/back`]
        ]),
        [`spec ${ours}`, "name -", "back -"]
      )
      // The same place: it is.
      assert.deepStrictEqual(yield* trace([["/spec", "/elsewhere"]]), [`spec ${ours}`, `elsewhere ${ours}`])
      // Another scheme on the same host and port: nothing arrives that could be read there.
      const schemes = yield* trace([["/spec", `https://127.0.0.1:${own}/secure`]])
      assert.deepStrictEqual([...new Set(schemes)], [`spec ${ours}`])
      for (const location of [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "//",
        `http://user:word@127.0.0.1:${other}/y`
      ]) {
        yield* trace([["/spec", location]])
      }
      assert.deepStrictEqual(seen.slice(0, 1), [undefined])
      assert.isFalse(seen.some((authorization) => authorization?.includes("token-of-ours")))
    }),
  300_000
)
