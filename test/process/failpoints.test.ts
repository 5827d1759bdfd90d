import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"

const LIMIT = 300_000

const set = (compute: Compute, body: ReadonlyArray<object>) =>
  compute.http({ method: "POST", path: "/failpoints", server: "internal", token: null, body })

describe("failpoints", () => {
  it.live(
    "of the environment end the migrations where they say, counted, while the compute runs",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({
          emulator,
          env: { COMPUTE_CTL_TESTING: "1", FAILPOINTS: "compute-migration=return(3)" }
        })
        yield* compute.waitFor("running")
        yield* compute.waitForLog("Failed to run migration id=3: ")
        const { body } = yield* compute.http({ path: "/metrics" })
        assert.include(body, 'compute_ctl_db_migration_failed_total{migration_id="3"} 1\n')
        assert.strictEqual(yield* compute.sql("select id from neon_migration.migration_id"), "2")
        assert.notInclude(compute.log(), 'relation "neon_migration.migration_id" does not exist')
      }),
    LIMIT
  )

  it.live(
    "are set over the internal API by tests, and are not there for anybody else",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const spec = {
          skip_pg_catalog_updates: true,
          endpoint_id: "ep",
          endpoint_storage_addr: emulator.addresses.endpoint_storage,
          endpoint_storage_token: "t"
        }
        const compute = yield* startCompute({ emulator, spec, env: { COMPUTE_CTL_TESTING: "1" } })
        yield* compute.waitFor("running")
        const wrong = yield* set(compute, [{ name: "compute-prewarm", actions: "dance" }])
        assert.strictEqual(wrong.status, 400)
        assert.include(wrong.body, "failed to configure failpoint 'compute-prewarm': not an action: dance")
        const ask = (path: string, body?: object) =>
          compute.http({ method: "POST", path, server: "internal", token: null, body })
        assert.strictEqual((yield* ask("/failpoints")).status, 415)
        // The other routes that have it in their bodies which database they are about.
        for (const [path, body] of [
          ["/extensions", { extension: "citext", database: "", version: "1.6" }],
          ["/grants", { database: "", schema: "public", privileges: ["USAGE"], role: "app" }]
        ] as const) {
          const answer = yield* ask(path, body)
          assert.deepStrictEqual([answer.status, answer.body], [400, '{"error":"`database` is empty"}'], path)
        }
        assert.strictEqual((yield* set(compute, [{ name: "compute-prewarm", action: "return(1)" }])).status, 200)
        yield* compute.http({ method: "POST", path: "/lfc/prewarm" })
        yield* compute.waitForLog("LFC prewarm: failed")
        const { body } = yield* compute.http({ path: "/lfc/prewarm" })
        assert.strictEqual(body, '{"status":"failed","error":"compute-prewarm failpoint"}')
        yield* set(compute, [{ name: "compute-prewarm", actions: "off" }])
        yield* compute.http({ method: "POST", path: "/lfc/prewarm" })
        yield* compute.waitForLog("LFC prewarm: skipped")

        const other = yield* startCompute({ emulator, spec, env: { FAILPOINTS: "compute-prewarm=return(1)" } })
        yield* other.waitFor("running")
        assert.strictEqual((yield* set(other, [{ name: "compute-prewarm", actions: "return" }])).status, 404)
        yield* other.http({ method: "POST", path: "/lfc/prewarm" })
        yield* other.waitForLog("LFC prewarm: skipped")
      }),
    LIMIT
  )
})
