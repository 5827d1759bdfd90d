/**
 * The client of `packages/client`, by its examples, against the servers.
 */

import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Layer from "effect/Layer"
import { build } from "esbuild"
import { start } from "../../packages/client/examples/start.ts"
import { stop } from "../../packages/client/examples/stop.ts"
import { watch } from "../../packages/client/examples/watch.ts"
import * as Compute from "../../packages/client/src/Compute.ts"
import * as Lsn from "../../src/domain/spec/Lsn.ts"
import { Status } from "../../src/http/api/shapes/StatusDetail.ts"
import { statusBody } from "../../src/http/server/answers/statusBody.ts"
import { serveApi } from "../../src/http/server/servers.ts"
import { ComputeState } from "../../src/layers/compute/ComputeState.ts"
import * as rig from "../http/rig.ts"
import { NET } from "../rig/waits.ts"

const served = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provide(test, rig.layerRig)

const target = (port: number, claims: object = rig.admin) => ({
  url: `http://127.0.0.1:${port}/`,
  token: rig.tokenOf(claims)
})
const serving = Effect.map(rig.serveAll(), ({ external }) => external.port)
const become = (...steps: ReadonlyArray<Parameters<ComputeState["Service"]["transition"]>>) =>
  Effect.flatMap(ComputeState, ({ transition }) => Effect.forEach(steps, (step) => transition(...step)))
const until = (status: string) =>
  Effect.flatMap(ComputeState, (state) => state.await((now) => now.status === status)).pipe(Effect.timeout(NET))

const configuration = (more: object = {}) => ({ ...rig.configuration(), spec: { ...rig.spec, ...more } })

describe("an example", () => {
  it.live("starts a compute", () =>
    served(
      Effect.gen(function* () {
        const port = yield* serving
        const started = yield* Effect.forkChild(start(target(port), configuration({ mode: "Primary" })))
        yield* until("configuration_pending")
        yield* become(["spec received"], ["started", () => ({ postgresRuns: true })])
        assert.strictEqual(yield* Fiber.join(started), "running")
      })
    )
  )

  it.live("tells why one did not start", () =>
    served(
      Effect.gen(function* () {
        const port = yield* serving
        assert.strictEqual(
          yield* start(target(port), configuration({ pageserver_connstring: null })),
          "the spec is not valid: pageserver connection information should be provided"
        )
        assert.strictEqual(
          yield* start({ url: `http://127.0.0.1:${port}`, token: `${rig.tokenOf(rig.admin)}x` }, configuration()),
          "this is not its token"
        )
        const started = yield* Effect.forkChild(start(target(port), configuration()))
        yield* until("configuration_pending")
        yield* become(["spec received"], ["start failed", () => ({ error: "no basebackup" })])
        assert.match(yield* Fiber.join(started), /^it did not start: .*no basebackup/)
      })
    )
  )

  it.live("watches one, and another stops it", () =>
    served(
      Effect.gen(function* () {
        yield* rig.running
        const port = yield* serving
        const lines: Array<string> = []
        const began = (line: string) => Effect.sync(() => void lines.push(line))
        const watching = yield* Effect.forkChild(watch(target(port), began))
        yield* Effect.eventually(
          Effect.andThen(
            Effect.sleep("5 millis"),
            Effect.suspend(() => (lines.length > 0 ? Effect.void : Effect.fail("not yet")))
          )
        ).pipe(Effect.timeout(NET))
        const stopping = yield* Effect.forkChild(stop(target(port), 0))
        yield* until("termination_pending_fast")
        yield* become(["shut down", () => ({ terminateFlushLsn: Lsn.fromBigInt(0x16b9188n) })])
        assert.strictEqual(yield* Fiber.join(stopping), "stopped at 0/16B9188")
        yield* Fiber.join(watching)
        const states = lines.filter((line) => !line.includes("to wait for"))
        assert.deepStrictEqual(states, [
          "it is running",
          "terminate fast: termination_pending_fast",
          "shut down: terminated"
        ])
      })
    )
  )
})

describe("awaitStatus", () => {
  const wanted = (port: number, status: Compute.ComputeStatus, limit = "10 seconds" as const) =>
    Effect.flatMap(Compute.make(target(port)), ({ awaitStatus }) => awaitStatus(status, { limit }))

  it.live("tells of a compute that goes elsewhere, and of one that does not go", () =>
    served(
      Effect.gen(function* () {
        const port = yield* serving
        const late = yield* Effect.flip(
          Effect.flatMap(Compute.make(target(port)), ({ awaitStatus }) =>
            awaitStatus("running", { limit: "50 millis" })
          )
        )
        assert.deepInclude(late, { _tag: "Late", message: "the compute is not running after 50ms" })
        yield* become(["spec at start"], ["start failed", () => ({ error: "no basebackup" })])
        const unreached = yield* Effect.flip(wanted(port, "running"))
        assert.deepInclude(unreached, { _tag: "Unreached", status: "failed", error: "no basebackup" })
      })
    )
  )

  it.live("tells of a port that fetch keeps away from, instead of asking again and again", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(wanted(6000, "running"))
      assert.strictEqual(error._tag, "HttpClientError")
      if (error._tag !== "HttpClientError" || error.reason._tag !== "TransportError") return
      assert.instanceOf(error.reason.cause, Compute.BlockedPort)
    })
  )

  it.live("asks again when a server hangs up, or ends its events too early", () =>
    Effect.gen(function* () {
      const status = { start_time: "T", tenant: null, timeline: null, status: "empty", last_active: null, error: null }
      const event = (name: string) =>
        `event: state\ndata: ${JSON.stringify({ kind: "state", at: "T", from: null, status: name, cause: null, error: null })}\n\n`
      let asked = 0
      const server = createServer((request, answer) => {
        if (request.url === "/status") {
          answer.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(status))
          return
        }
        asked += 1
        if (asked === 1) request.socket.destroy()
        else answer.writeHead(200, { "content-type": "text/event-stream" }).end(event(asked === 2 ? "init" : "empty"))
      })
      const port = yield* Effect.acquireRelease(
        Effect.callback<number>((resume) => {
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
        }),
        () =>
          Effect.sync(() => {
            server.closeAllConnections()
            server.close()
          })
      )
      assert.strictEqual((yield* wanted(port, "empty")).status, "empty")
      assert.strictEqual(asked, 3)
    })
  )

  it.live("asks again and again where there are no events: the original", () =>
    served(
      Effect.gen(function* () {
        const Original = HttpApi.make("external").add(
          HttpApiGroup.make("original").add(HttpApiEndpoint.get("status", "/status", { success: Status }))
        )
        const original = HttpApiBuilder.group(Original, "original", (handlers) =>
          handlers.handle("status", () => Effect.flatMap(ComputeState, ({ get }) => Effect.map(get, statusBody)))
        )
        const { port } = yield* serveApi(
          Original,
          HttpRouter.toHttpEffect(
            HttpApiBuilder.layer(Original).pipe(Layer.provide(original), Layer.provide(HttpServer.layerServices))
          )
        )
        const found = yield* Effect.forkChild(wanted(port, "init"))
        yield* become(["spec at start"])
        assert.strictEqual((yield* Fiber.join(found)).status, "init")
      })
    )
  )
})

it("goes into a browser: nothing of Node is in it", async () => {
  const { metafile } = await build({
    entryPoints: ["packages/client/src/Compute.ts"],
    bundle: true,
    write: false,
    metafile: true,
    platform: "browser",
    format: "esm",
    logLevel: "silent"
  })
  const outside = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  assert.deepStrictEqual(outside, [])
})
