import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { setting } from "../rig/spec.ts"
import { LIMIT } from "../rig/waits.ts"

describe("a start", () => {
  it.live(
    "of a primary asks the peers exactly what was recorded, serves, and leaves nobody behind",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator })
        const status = yield* compute.waitFor("running")
        assert.strictEqual(status["tenant"], emulator.addresses.tenant_id)
        assert.strictEqual(yield* compute.sql("select 1"), "1")
        const queries = emulator.world.asked.map(({ text }) => text)
        assert.include(
          queries,
          `basebackup ${emulator.addresses.tenant_id} ${emulator.addresses.timeline_id} 0/1800000 --gzip`
        )
        const metrics = JSON.parse((yield* compute.http({ path: "/metrics.json" })).body)
        for (const name of ["basebackup_ms", "basebackup_bytes", "pageserver_connect_micros", "total_startup_ms"]) {
          assert.isAbove(metrics[name], 0, name)
        }
        assert.strictEqual(metrics.sync_safekeepers_ms, 0)
        const answer = yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })
        assert.strictEqual(answer.body, '{"lsn":"0/1800000"}')
        assert.strictEqual((yield* compute.ended).code, 0)
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )

  it.live(
    "over gRPC serves as well",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({
          emulator,
          spec: {
            pageserver_connection_info: {
              shard_count: 0,
              prefer_protocol: "grpc",
              shards: {
                "0000": {
                  pageservers: [
                    {
                      id: 1,
                      libpq_url: emulator.addresses.pageservers[0],
                      grpc_url: emulator.addresses.pageservers_grpc[0]
                    }
                  ]
                }
              }
            }
          }
        })
        yield* compute.waitFor("running")
        assert.strictEqual(yield* compute.sql("select 1"), "1")
      }),
    LIMIT
  )

  it.live(
    "of a replica never syncs, takes the latest and stays in recovery; a termination has no LSN",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator, spec: { mode: "Replica" } })
        yield* compute.waitFor("running")
        assert.strictEqual(yield* compute.sql("select pg_is_in_recovery()"), "t")
        assert.isTrue(fs.existsSync(path.join(compute.pgdata, "standby.signal")))
        assert.deepStrictEqual(
          emulator.world.asked.filter(({ peer }) => peer === "safekeeper"),
          []
        )
        const answer = yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })
        assert.strictEqual(answer.body, '{"lsn":null}')
        assert.strictEqual((yield* compute.ended).code, 0)
      }),
    LIMIT
  )

  it.live(
    "of an empty compute waits for its spec, and counts the start from its arrival",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator, spec: null })
        const empty = yield* compute.waitFor("empty")
        assert.deepStrictEqual([empty["tenant"], empty["timeline"]], [null, null])
        const answer = yield* compute.configure(compute.spec)
        assert.strictEqual(answer.status, 200)
        const running = JSON.parse(answer.body)
        assert.strictEqual(running.status, "running")
        assert.isAbove(Date.parse(running.start_time), Date.parse(String(empty["start_time"])))
        const metrics = JSON.parse((yield* compute.http({ path: "/metrics.json" })).body)
        assert.isAbove(metrics.wait_for_spec_ms, 0)
      }),
    LIMIT
  )

  it.live(
    "of an empty compute that is terminated answers at once and exits 0",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const compute = yield* startCompute({ emulator, spec: null })
        yield* compute.waitFor("empty")
        const answer = yield* compute.http({ method: "POST", path: "/terminate" })
        assert.deepStrictEqual([answer.status, answer.body], [200, '{"lsn":null}'])
        assert.strictEqual((yield* compute.ended).code, 0)
      }),
    LIMIT
  )

  it.live(
    "that gets no basebackup says why in the status, and nothing of it is left running",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        emulator.world.faults = [
          { peer: "pageserver", action: { do: "error", code: "XX000", message: "Unauthorized: x" } }
        ]
        const compute = yield* startCompute({ emulator })
        const failed = yield* compute.waitFor("failed")
        assert.match(String(failed["error"]), /^failed to get basebackup@0\/1800000\n\nCaused by:\n {4}.*Unauthorized/s)
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )

  it.live(
    "whose commits wait for neon's library, which is not loaded, names the setting and does not wait for ever",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({
          emulator,
          settings: [setting("synchronous_standby_names", "walproposer")]
        })
        const failed = yield* compute.waitFor("failed")
        assert.match(
          String(failed["error"]),
          /^standby walproposer: not done within 10s: spec\.cluster\.settings\[6\]: synchronous_standby_names names walproposer/
        )
        compute.signal("SIGTERM")
        yield* compute.ended
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )

  it.live(
    "on a port that is taken ends with a message that names it",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const first = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
        yield* first.waitFor("running")
        const second = yield* startCompute({ emulator, ports: first.ports })
        assert.strictEqual((yield* second.ended).code, 1)
        assert.include(second.log(), String(first.ports.external))
      }),
    LIMIT
  )
})
