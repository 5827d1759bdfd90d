/**
 * What clients send to the two HTTP servers of the program: heads and bodies, cut anywhere, several on a connection.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { External, Internal } from "../../../src/http/api/Api.ts"
import { endpointsOf } from "../../../src/http/server/table.ts"
import { connect, statuses } from "../../rig/clients.ts"
import { type Compute, type ComputeOptions, startCompute } from "../../rig/compute.ts"
import { startFakeEmulator } from "../../rig/emulator.ts"
import { divided, fuzz, limit, mutated } from "../../rig/fuzz.ts"
import { makeConfig } from "../../rig/spec.ts"
import { adminToken } from "../../rig/tokens.ts"
import { until } from "../../rig/waits.ts"

/** They end the compute, which is what they are for. */
const ENDS = ["/terminate", "/promote"]

const bodies = [
  "",
  "{}",
  "[]",
  '{"spec":null}',
  '{"spec":{"cluster":{"roles":[{"name":"a"}]}}}',
  '[{"name":"x","actions":"off"}]',
  JSON.stringify({ ...makeConfig(null), spec: [] }),
  '"\\ud800"',
  "\u0000\u00ff",
  "9".repeat(1000),
  "[".repeat(300),
  "x".repeat(70_000)
]
const types = ["application/json", "application/json; charset=utf-8", "text/plain", "application/x+json", ""]

const targets = [...endpointsOf(External), ...endpointsOf(Internal)]
  .map(({ method, path }) => [method, path.replaceAll(/:\w+/g, "x")] as const)
  .filter(([, path]) => !ENDS.some((end) => path.startsWith(end)))

const oddTargets = [
  ["GET", "/"],
  ["GET", "*"],
  ["OPTIONS", "*"],
  ["GET", "http://a/livez"],
  ["GET", "//livez?%"],
  ["GET", "/database_schema?database=%00&database=%zz"],
  ["GET", `/${"%2e".repeat(2000)}`],
  ["HEAD", "/metrics"],
  ["CONNECT", "a:1"],
  ["BREW", "/livez"]
] as const

const headers = [
  () => "Host: a",
  () => `Authorization: Bearer ${adminToken()}`,
  () => `Authorization: Bearer ${"eyJ-".repeat(3000)}`,
  () => "Authorization: Basic Og==",
  () => `X-Request-Id: ${"eyJ-".repeat(2000)}`,
  () => "Connection: close",
  () => "Connection: upgrade\r\nUpgrade: websocket",
  () => "Expect: 100-continue",
  () => "Expect: much",
  () => "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  () => "Content-Length: 5",
  () => "Content-Length: -1",
  () => "Transfer-Encoding: chunked",
  () => "Transfer-Encoding: gzip, chunked",
  () => " folded: yes",
  () => "no colon"
]

const chunked = (body: string): string =>
  `${body === "" ? "" : `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n`}0\r\n\r\n`

const request = fc
  .record({
    target: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...targets) }, fc.constantFrom(...oddTargets)),
    version: fc.oneof({ weight: 8, arbitrary: fc.constant("1.1") }, fc.constantFrom("1.0", "2.0", "0.9", "")),
    more: fc.array(fc.constantFrom(...headers), { maxLength: 4 }),
    type: fc.constantFrom(...types),
    body: fc.constantFrom(...bodies),
    framing: fc.constantFrom("length", "chunked", "none")
  })
  .map(({ body, framing, more, target: [method, path], type, version }) => {
    const framed =
      framing === "length"
        ? [`Content-Length: ${Buffer.byteLength(body)}`]
        : framing === "chunked"
          ? ["Transfer-Encoding: chunked"]
          : []
    const lines = [`Content-Type: ${type}`, ...framed, ...more.map((header) => header())]
    const sent = framing === "chunked" ? chunked(body) : framing === "length" ? body : ""
    return Buffer.from(`${method} ${path} HTTP/${version}\r\n${lines.join("\r\n")}\r\n\r\n${sent}`)
  })

interface Visit {
  readonly bytes: Buffer
  readonly cuts: ReadonlyArray<number>
  readonly server: "external" | "internal"
  /** How the client leaves: it has said all, or it is gone. */
  readonly leave: "end" | "reset"
}

const visits: fc.Arbitrary<Visit> = fc.record({
  bytes: fc
    .array(request, { minLength: 1, maxLength: 4 })
    .chain((requests) => fc.oneof(fc.constant(Buffer.concat(requests)), mutated([Buffer.concat(requests)]))),
  cuts: fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 4 }),
  server: fc.constantFrom("external" as const, "internal" as const),
  leave: fc.constantFrom("end" as const, "reset" as const)
})

/** Answers stand one behind the other: nothing else is said, whatever was asked. */
const assertAnswers = (text: string) => {
  assert.match(text, /^(?:HTTP\/1\.1 \d{3} |$)/)
  for (const status of statuses(text)) {
    assert.include([100, 200, 202, 400, 401, 404, 405, 408, 411, 412, 413, 415, 417, 422, 431, 500, 503], status)
  }
  assert.notInclude(text, "internal error")
}

const attempt = (compute: Compute, { bytes, cuts, leave, server }: Visit) =>
  Effect.gen(function* () {
    const client = yield* connect(compute.ports[server])
    client.socket.setNoDelay(true)
    for (const piece of divided(bytes, cuts.length === 0 ? [bytes.length] : cuts)) client.socket.write(piece)
    if (leave === "reset") {
      yield* Effect.yieldNow
      client.socket.resetAndDestroy()
    } else client.socket.end()
    yield* until("the end of the connection", client.closed)
    assertAnswers(client.received())
    const { status } = yield* compute.http({ path: "/livez", token: null })
    assert.strictEqual(status, 200)
  }).pipe(Effect.scoped)

const modes: ReadonlyArray<readonly [string, Partial<ComputeOptions>]> = [
  ["", {}],
  [" in lakebase mode", { args: ["--lakebase-mode", "true"], env: { INSTANCE_ID: "i-1" } }]
]

describe("requests at random", () => {
  for (const [mode, options] of modes) {
    it.live(
      `are answered or refused, and leave nothing behind${mode}`,
      () =>
        Effect.gen(function* () {
          const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null, ...options })
          yield* compute.waitFor("empty")
          for (let warm = 0; warm < 50; warm++) yield* compute.http({ path: "/status" })
          // It keeps a few descriptors for a shortage, and takes them a second after it began.
          yield* Effect.sleep("1500 millis")
          yield* Effect.promise(() =>
            fuzz(visits, (input) => Effect.runPromise(attempt(compute, input)), { pid: compute.pid, growth: 300 })
          )
          const { body } = yield* compute.http({ path: "/metrics" })
          assert.match(body, /^compute_ctl_uncaught_errors_total 0$/m)
          assert.notInclude(compute.log(), "a request handler failed")
          yield* compute.waitFor("empty")
        }),
      limit
    )
  }
})
