/**
 * How the process ends, whatever Postgres does. How long it gives whom is in the tests of `programs/stop`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { type ComputeOptions, startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { allow, scriptedPostgres } from "../rig/scriptedPostgres.ts"
import { makeConfig } from "../rig/spec.ts"
import { LIMIT, until } from "../rig/waits.ts"

const serve = "while :; do sleep 0.1; done"

const scripted = (script: string, options: Omit<ComputeOptions, "emulator"> = {}) =>
  Effect.gen(function* () {
    const emulator = yield* startFakeEmulator()
    const pgbin = yield* scriptedPostgres(emulator, script)
    return yield* startCompute({ emulator, pgbin, spec: { skip_pg_catalog_updates: true }, ...options })
  })

describe("the exit code", () => {
  it.live(
    "is Postgres' own when it ends by itself; the status stays running, the safekeepers are synced",
    () =>
      Effect.gen(function* () {
        const compute = yield* scripted("ready; await end; exit 3")
        yield* compute.waitFor("running")
        yield* allow(compute, "end")
        assert.strictEqual((yield* compute.ended).code, 3)
        assert.include(compute.log(), "syncing safekeepers on shutdown")
        assert.notInclude(compute.log(), "Changing compute status from running")
      }),
    LIMIT
  )

  it.live(
    "of a failed start is 1; until then the status says why",
    () =>
      Effect.gen(function* () {
        const reasons = [
          'LOG:  unrecognized configuration parameter "work_men" in file "/d/postgresql.conf" line 7',
          'FATAL:  configuration file "/d/postgresql.conf" contains errors'
        ]
        const say = (line: string) => `echo '2026-01-02 03:04:05.678 UTC [12] ${line}' >&2`
        const compute = yield* scripted([...reasons.map(say), "exit 1"].join("\n"))
        const failed = yield* compute.waitFor("failed")
        assert.strictEqual(failed["error"], `Postgres exited unexpectedly with code 1: ${reasons.join("; ")}`)
        for (const path of ["/terminate", "/terminate?mode=immediate"]) {
          const answer = yield* compute.http({ method: "POST", path })
          assert.deepStrictEqual([answer.status, answer.body], [412, '{"error":"invalid compute status: failed"}'])
        }
        assert.strictEqual((yield* compute.configure(compute.spec)).status, 412)
        assert.include(compute.log(), "giving control plane 30s to collect the error before shutdown")
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.notInclude(compute.log(), "syncing safekeepers on shutdown")
      }),
    LIMIT
  )

  it.live(
    "comes of a recovery that does not get on for --pg-init-timeout, and of none that does",
    () =>
      Effect.gen(function* () {
        const redo = "echo '2026-01-02 03:04:05.678 UTC [12] LOG:  redo in progress, elapsed time: 1.00 s' >&2"
        const args = ["--pg-init-timeout", "6"]
        const slow = yield* scripted(`for i in 1 2 3 4 5; do ${redo}; sleep 2; done; ready; ${serve}`, { args })
        const stuck = yield* scripted(`${redo}; ${serve}`, { args })
        yield* slow.waitFor("running")
        const failed = yield* stuck.waitFor("failed")
        assert.strictEqual(failed["error"], "timed out while waiting for Postgres to start")
      }),
    LIMIT
  )

  it.live(
    "is 1 when a signal comes after the termination, and cuts short how long it answers on",
    () =>
      Effect.gen(function* () {
        const compute = yield* scripted(`trap 'exit 0' INT; ready; ${serve}`)
        yield* compute.waitFor("running")
        yield* compute.http({ method: "POST", path: "/terminate?mode=fast" })
        compute.signal("SIGTERM")
        // Else it is Postgres' own.
        assert.strictEqual((yield* compute.ended).code, 1)
      }),
    LIMIT
  )

  it.live(
    "is 1 when a signal comes while the safekeepers hang at the end, and whoever waits for their position gets no answer",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
        yield* compute.waitFor("running")
        emulator.world.faults = [
          { peer: "sync", action: { do: "silence" } },
          { peer: "safekeeper", action: { do: "silence" } }
        ]
        const answer = yield* Effect.forkChild(Effect.flip(compute.http({ method: "POST", path: "/terminate" })))
        yield* compute.waitForLog("syncing safekeepers on shutdown")
        yield* until("a sync to be asked for", () => emulator.world.asked.some(({ peer }) => peer === "sync"))
        compute.signal("SIGTERM")
        // A null would mean that there is none.
        assert.match((yield* Fiber.join(answer)).message, /socket hang up|ECONNRESET/)
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )

  it.live(
    "of a detached compute is 1, with Postgres stopped first",
    () =>
      Effect.gen(function* () {
        const compute = yield* scripted(`trap 'echo stopped >"$data/../stopped"; exit 0' INT; ready; ${serve}`)
        yield* compute.waitFor("running")
        fs.chmodSync(compute.dir, 0o777)
        fs.writeFileSync(compute.configPath, JSON.stringify(makeConfig(null)))
        yield* compute.http({ method: "POST", path: "/refresh_configuration", server: "internal", token: null })
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.isTrue(fs.existsSync(path.join(compute.dir, "stopped")))
      }),
    LIMIT
  )

  it.live(
    "of a lakebase instance that does not get to running in time is 1, and nobody is left",
    () =>
      Effect.gen(function* () {
        const args = ["--lakebase-mode", "true", "--pg-init-timeout", "2"]
        const compute = yield* scripted(`trap 'exit 0' INT QUIT; ${serve}`, { args })
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.include(compute.log(), "compute did not enter Running state in 2 seconds, exiting")
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )
})

describe("a Postgres that does not stop", () => {
  it.live(
    "for anything is killed after a second signal, running or on its way there",
    () =>
      Effect.forEach(
        ["ready;", ""],
        (start) =>
          Effect.scoped(
            Effect.gen(function* () {
              const compute = yield* scripted(`trap '' INT TERM QUIT; ${start} echo up >&2; ${serve}`)
              yield* compute.waitForLog("PG:up")
              compute.signal("SIGTERM")
              yield* compute.waitForLog("received 15 termination signal")
              compute.signal("SIGINT")
              assert.strictEqual((yield* compute.ended).code, 1)
              assert.deepStrictEqual(yield* compute.processes, [])
            })
          ),
        { concurrency: "unbounded", discard: true }
      ),
    LIMIT
  )
})

it.live(
  "the wait for a spec counts from the beginning of the process, warming up included",
  () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      const initdb = path.join(path.dirname(emulator.addresses.pgbin), "initdb")
      const pgbin = yield* scriptedPostgres(emulator, `trap 'exit 0' INT QUIT; ready; ${serve}`, {
        initdb: `#!/bin/sh\nsleep 0.7\nexec '${initdb}' "$@"\n`
      })
      const compute = yield* startCompute({ emulator, pgbin, spec: null })
      yield* compute.waitFor("empty")
      const asked = performance.now()
      assert.strictEqual((yield* compute.configure({ ...compute.spec, skip_pg_catalog_updates: true })).status, 200)
      const took = performance.now() - asked
      const metrics = JSON.parse((yield* compute.http({ path: "/metrics.json" })).body)
      assert.isAtLeast(metrics.wait_for_spec_ms, 700)
      // What came before the request is not in it.
      assert.isAtMost(metrics.total_startup_ms, took)
    }),
  LIMIT
)
