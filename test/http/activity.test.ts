import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ActivityReport } from "../../src/domain/status/Activity.ts"
import { Monitor } from "../../src/layers/observe/Monitor.ts"
import { ask, bearer, keys, layer, serveAll } from "./rig.ts"

const report: ActivityReport = {
  active: true,
  active_since: "2026-03-02T08:00:00.123456+00:00",
  last_active: "2026-03-02T08:00:01+00:00",
  checked_at: "2026-03-02T08:00:01+00:00",
  monitor: "watching",
  reasons: [{ kind: "transaction", count: 2, since: "2026-03-02T08:00:00.123456+00:00", detail: "idle in transaction" }]
}

const watching = Layer.succeed(Monitor, {
  poll: Effect.void,
  activity: Effect.succeed(report),
  fresh: Effect.succeed(report),
  disregard: (work) => work,
  disregarding: Effect.void
})

const rig = (pgdata: string) => Layer.merge(layer(keys, { pgdata }), watching)

const serving = Effect.map(serveAll(), ({ external }) => external)

describe("GET /activity", () => {
  it.live("says why the compute is active to who may know", () =>
    Effect.gen(function* () {
      const { port } = yield* serving
      const { body, headers, status } = yield* ask({ port, path: "/activity", headers: bearer() })
      assert.deepStrictEqual([status, headers["content-type"]], [200, "application/json"])
      assert.deepStrictEqual(JSON.parse(body), report)
      assert.notStrictEqual((yield* ask({ port, path: "/activity" })).status, 200)
      assert.strictEqual((yield* ask({ port, path: "/activity", method: "POST", headers: bearer() })).status, 405)
    }).pipe(Effect.provide(rig("/nonexistent")))
  )
})

describe("GET /autoscaling_metrics", () => {
  it.live("tells that Postgres does not export anything", () =>
    Effect.gen(function* () {
      const { port } = yield* serving
      const { body, headers, status } = yield* ask({ port, path: "/autoscaling_metrics" })
      assert.deepStrictEqual([status, headers["content-type"]], [500, "application/json"])
      assert.strictEqual(
        body,
        '{"error":"connecting to communicator control socket: No such file or directory (os error 2)"}'
      )
    }).pipe(Effect.provide(rig("/nonexistent")))
  )

  it.live("passes on what it exports, without a token", () =>
    Effect.gen(function* () {
      const pgdata = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "pgdata-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const text = "lfc_hits 1\n".repeat(20_000)
      yield* Effect.acquireRelease(
        Effect.promise(
          () =>
            new Promise<ReturnType<typeof createServer>>((resolve) => {
              const server = createServer((_, response) =>
                response.writeHead(418, { "content-type": "application/text", "x-private": "1" }).end(text)
              )
              server.listen(join(pgdata, "neon-communicator.socket"), () => resolve(server))
            })
        ),
        (server) => Effect.sync(() => server.close())
      )
      yield* Effect.gen(function* () {
        const { port } = yield* serving
        const { body, headers, status } = yield* ask({ port, path: "/autoscaling_metrics" })
        assert.deepStrictEqual(
          [status, headers["content-type"], headers["x-private"]],
          [418, "application/text", undefined]
        )
        assert.strictEqual(body, text)
      }).pipe(Effect.provide(rig(pgdata)))
    })
  )
})
