/**
 * A primary and a hot standby that streams from it, both computes of one timeline.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { setting } from "../rig/spec.ts"
import { eventually, LIMIT } from "../rig/waits.ts"

const untilSays = (compute: Compute, query: string, wanted: string) =>
  eventually(`${query}: ${wanted}`, compute.sql(query), (seen) => seen === wanted)

/** No WAL proposer confirms commits here. */
const local = [setting("synchronous_commit", "local"), setting("wal_keep_size", "256MB")]

const pair = Effect.gen(function* () {
  const emulator = yield* startEmulator()
  const cache = {
    endpoint_storage_addr: emulator.addresses.endpoint_storage,
    endpoint_storage_token: "es-token"
  }
  const primary = yield* startCompute({ emulator, settings: local, spec: { ...cache, endpoint_id: "ep-primary" } })
  yield* primary.waitFor("running")
  const upstream = `host=127.0.0.1 port=${primary.ports.postgres} user=cloud_admin application_name=standby`
  const standby = yield* startCompute({
    emulator,
    settings: [...local, setting("primary_conninfo", upstream)],
    spec: { ...cache, endpoint_id: "ep-standby", mode: "Replica" }
  })
  yield* standby.waitFor("running")
  return { emulator, primary, standby }
})

const json = (body: string): Record<string, unknown> => JSON.parse(body)

const prewarm = (compute: Compute, from: string) =>
  Effect.gen(function* () {
    yield* compute.http({ method: "POST", path: `/lfc/prewarm?from_endpoint=${from}` })
    for (;;) {
      const { body } = yield* compute.http({ path: "/lfc/prewarm" })
      if (!body.includes("prewarming")) return json(body)
      yield* Effect.sleep("50 millis")
    }
  })

describe("a hot standby", () => {
  it.live(
    "follows its primary, takes no writes, and takes its place",
    () =>
      Effect.gen(function* () {
        const { primary, standby } = yield* pair
        yield* primary.sql("create table t (i int); insert into t values (1)")
        yield* untilSays(standby, "select count(*) from pg_class where relname = 't'", "1")
        yield* untilSays(standby, "select sum(i) from t", "1")
        const refused = yield* Effect.flip(standby.sql("insert into t values (2)"))
        assert.include(refused.message, "read-only transaction")

        yield* primary.http({ method: "POST", path: "/lfc/offload" })
        yield* primary.waitForLog("LFC state saved")
        assert.strictEqual((yield* prewarm(standby, "ep-primary"))["status"], "completed")
        // Everything the primary still writes comes after this; the standby has to replay it first.
        yield* primary.sql("insert into t values (41)")
        const flushed = yield* primary.sql("select pg_current_wal_flush_lsn()")
        const terminated = yield* primary.http({ method: "POST", path: "/terminate?mode=immediate" })
        assert.strictEqual(terminated.status, 200)
        assert.strictEqual((yield* primary.ended).code, 0)

        const { primary_conninfo: _, ...spec } = { ...standby.spec, mode: "Primary", primary_conninfo: null }
        const body = { spec, wal_flush_lsn: flushed }
        const promote = standby.http({ method: "POST", path: "/promote", body })
        // The first caller goes away at once; the others share one promotion.
        yield* Effect.timeoutOption(promote, "1 millis")
        const answers = yield* Effect.all([promote, promote], { concurrency: 2 })
        for (const answer of answers) assert.strictEqual(answer.status, 200, answer.body)
        assert.strictEqual(answers[0]?.body, answers[1]?.body)
        assert.strictEqual((standby.log().match(/received promote request/g) ?? []).length, 1)

        assert.strictEqual(yield* standby.sql("select pg_is_in_recovery()"), "f")
        assert.strictEqual(yield* standby.sql("select sum(i) from t"), "42")
        yield* standby.sql("insert into t values (100)")
        const pinned = "select count(*) from pg_file_settings where sourcefile like '%auto.conf'"
        assert.strictEqual(yield* standby.sql(pinned), "0")

        const other = [...standby.spec["safekeeper_connstrings"]].reverse()
        const configured = yield* standby.configure({ ...spec, safekeeper_connstrings: other })
        assert.strictEqual(configured.status, 200, configured.body)
        yield* untilSays(standby, "show neon.safekeepers", other.join(","))

        const last = yield* standby.http({ method: "POST", path: "/terminate?mode=immediate" })
        assert.strictEqual(last.body, '{"lsn":"0/1800000"}')
        assert.strictEqual((yield* standby.ended).code, 0)
        assert.deepStrictEqual(yield* standby.processes, [])
        assert.deepStrictEqual(yield* primary.processes, [])
      }),
    LIMIT
  )

  it.live(
    "is promoted on the second try when its prewarm was missing at the first",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const standby = yield* startCompute({
          emulator,
          settings: local,
          spec: {
            mode: "Replica",
            endpoint_id: "ep",
            endpoint_storage_addr: "127.0.0.1:1",
            endpoint_storage_token: "t"
          }
        })
        yield* standby.waitFor("running")
        const body = { spec: { ...standby.spec, mode: "Primary" }, wal_flush_lsn: "0/1" }
        const first = yield* standby.http({ method: "POST", path: "/promote", body })
        assert.deepStrictEqual(json(first.body), { status: "failed", error: "compute NotPrewarmed" })
        const failed = yield* prewarm(standby, "ep")
        assert.strictEqual(failed["status"], "failed")
        assert.match(String(failed["error"]), /^querying endpoint storage: .*ECONNREFUSED/)
        const second = yield* standby.http({ method: "POST", path: "/promote", body })
        assert.strictEqual(second.status, 200, second.body)
      }),
    LIMIT
  )
})

describe("an empty compute", () => {
  it.live(
    "refuses a promotion, fails to prewarm, and can be configured all the same",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const compute = yield* startCompute({ emulator, spec: null })
        yield* compute.waitFor("empty")
        const spec = { ...compute.spec, skip_pg_catalog_updates: true }
        const promoted = yield* compute.http({
          method: "POST",
          path: "/promote",
          body: { spec, wal_flush_lsn: "0/1" }
        })
        assert.deepStrictEqual([promoted.status, promoted.body], [412, '{"error":"invalid compute status: empty"}'])
        yield* compute.http({ method: "POST", path: "/lfc/offload" })
        const { body } = yield* compute.http({ path: "/lfc/offload" })
        assert.strictEqual(json(body)["status"], "failed")
        assert.strictEqual((yield* prewarm(compute, "other"))["status"], "failed")
        const traversing = yield* compute.http({ method: "POST", path: "/lfc/prewarm?from_endpoint=..%2Fother" })
        assert.strictEqual(traversing.status, 400)
        const answer = yield* compute.configure(spec)
        assert.strictEqual(answer.status, 200, answer.body)
      }),
    LIMIT
  )
})
