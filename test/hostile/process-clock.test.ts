/**
 * A wall clock that is set back, and a process that stood still. The program's modules run on the pinned Node with a preload
 * that sets their clock when a signal says so; nobody's is changed.
 */

import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { type Compute, type ComputeOptions, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { root, tempDir } from "../rig/postgres.ts"
import { makeConfig } from "../rig/spec.ts"
import { adminClaims } from "../rig/tokens.ts"
import { eventually, until } from "../rig/waits.ts"

const LIMIT = 300_000
/** Milliseconds: what waits for a wall clock waits an hour. */
const NET = 60_000

/**
 * SIGUSR2 sets it back by another hour, or on by `STEP` milliseconds; with `EVERY` that happens by itself, and back again,
 * each so many milliseconds.
 */
const preload = `
let shift = 0
const Real = Date
const now = () => Real.now() + shift
globalThis.Date = class extends Real {
  constructor(...given) { if (given.length === 0) super(now()); else super(...given) }
  static now() { return now() }
}
process.on("SIGUSR2", () => { shift += Number(process.env.STEP ?? -3600000) })
if (process.env.EVERY) setInterval(() => { shift = shift === 0 ? -3600000 : 0 }, Number(process.env.EVERY)).unref()
`

const start = (options: Partial<ComputeOptions> = {}) =>
  Effect.gen(function* () {
    const file = path.join(yield* tempDir("preload-"), "preload.cjs")
    fs.writeFileSync(file, preload)
    const program = [process.execPath, "--require", file, path.join(root, "dist/compute_ctl.cjs")]
    const emulator = options.emulator ?? (yield* startEmulator())
    return yield* startCompute({ ...options, emulator, program })
  })

const running = (options: Partial<ComputeOptions> = {}) =>
  Effect.tap(start(options), (compute) => compute.waitFor("running"))

/** All that a control plane asks of a compute, each within its limit. */
const serves = (compute: Compute) =>
  Effect.gen(function* () {
    for (let round = 0; round < 3; round++) {
      const answer = yield* compute.http({
        method: "POST",
        path: "/configure",
        body: makeConfig(compute.spec),
        limit: NET
      })
      assert.strictEqual(answer.status, 200, answer.body)
    }
    const insights = yield* compute.http({ path: "/status/detail", limit: NET })
    assert.strictEqual(insights.status, 200)
    yield* compute.sql("SELECT pg_stat_clear_snapshot()")
    assert.strictEqual((yield* compute.http({ path: "/check_writability", method: "POST", limit: NET })).status, 200)
  })

describe("a wall clock that goes back an hour", () => {
  it.live(
    "pauses nothing, however often and when",
    () =>
      Effect.gen(function* () {
        const compute = yield* running({ env: { EVERY: "37" } })
        yield* serves(compute)
        const answer = yield* compute.http({ method: "POST", path: "/terminate?mode=immediate", limit: NET })
        assert.strictEqual(answer.status, 200, answer.body)
        assert.strictEqual((yield* compute.ended).code, 0)
        assert.notMatch(compute.log(), /could not see whether Postgres reloaded|not done within/)
      }),
    LIMIT
  )

  it.live(
    "makes no answer older than it says, and shows in the times that others read",
    () =>
      Effect.gen(function* () {
        const compute = yield* running()
        compute.signal("SIGUSR2")
        yield* serves(compute)
        const ready = Effect.map(compute.http({ path: "/readyz", token: null, limit: NET }), ({ status }) => status)
        assert.strictEqual(yield* ready, 200)
        compute.signal("SIGUSR2")
        const postmaster = Number(fs.readFileSync(path.join(compute.pgdata, "postmaster.pid"), "utf8").split("\n")[0])
        process.kill(postmaster, "SIGSTOP")
        yield* Effect.repeat(Effect.delay(ready, 100), { until: (status) => status === 503 }).pipe(
          Effect.timeout(NET),
          Effect.ensuring(Effect.sync(() => process.kill(postmaster, "SIGCONT")))
        )
        const detail = JSON.parse((yield* compute.http({ path: "/status/detail" })).body)
        const behind = (Date.now() - Date.parse(detail.now)) / 60_000
        assert.closeTo(behind, 120, 1)
        const latest = Effect.sync(() => {
          const stamp =
            compute
              .log()
              .match(/^\S+Z(?= {1,2}[A-Z]+ )/gm)
              ?.at(-1) ?? ""
          return (Date.now() - Date.parse(stamp)) / 60_000
        })
        yield* Effect.repeat(Effect.delay(latest, 20), { until: (minutes) => Math.abs(minutes - 120) < 1 }).pipe(
          Effect.timeout(NET)
        )
        const { body } = yield* compute.http({ path: "/metrics", token: null })
        assert.notMatch(body, /^compute_ctl_waiting_seconds\{.*\} -/m)
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
      }),
    LIMIT
  )
})

/** The clock by which the system's timers run stands still meanwhile; the wall's does not. */
describe("a machine that was suspended for ten minutes", () => {
  const MINUTE = 60_000
  const env = { STEP: String(10 * MINUTE) }

  it.live(
    "ends no wait, counts no downtime, and knows which tokens have run out meanwhile",
    () =>
      Effect.gen(function* () {
        const compute = yield* running({ env })
        const token = (minutes: number) => ({ ...adminClaims, exp: Math.floor((Date.now() + minutes * MINUTE) / 1000) })
        const [short, long] = [token(5), token(30)]
        const asked = (claims: object) =>
          Effect.map(compute.http({ path: "/status", token: claims }), ({ status }) => status)
        assert.deepStrictEqual([yield* asked(short), yield* asked(long)], [200, 200])
        compute.signal("SIGUSR2")
        yield* eventually("a token that has run out", asked(short), (status) => status === 401)
        assert.strictEqual(yield* asked(long), 200)
        for (const [method, where] of [
          ["POST", "/check_writability"],
          ["GET", "/status/detail"],
          ["GET", "/readyz"]
        ] as const) {
          assert.strictEqual((yield* compute.http({ method, path: where, limit: NET })).status, 200, where)
        }
        const { body } = yield* compute.http({ path: "/metrics", token: null })
        assert.match(body, /^compute_pg_downtime_ms_total 0$/m)
        assert.match(body, /^compute_pg_current_downtime_ms 0$/m)
        const complaints = compute.log().match(/.*(could not check Postgres|not done within|no progress within).*/g)
        assert.isNull(complaints)
        // By the clock of Postgres nobody was idle for as long.
        assert.strictEqual((yield* compute.http({ method: "POST", path: "/terminate?if_idle=300" })).status, 409)
        assert.strictEqual((yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })).status, 200)
        assert.strictEqual((yield* compute.ended).code, 0)
      }),
    LIMIT
  )

  it.live(
    "in the middle of a start goes on with it, and asks for a lease anew of which ten minutes are gone",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        emulator.world.leaseMs = 25 * MINUTE
        emulator.world.faults = [{ peer: "pageserver", match: "basebackup", action: { do: "delay", ms: 1000 } }]
        const asked = (text: string) => emulator.world.asked.filter((one) => one.text.startsWith(text)).length
        const compute = yield* start({ emulator, env, spec: { mode: { Static: "0/1800000" } } })
        yield* until("a request for the basebackup", () => asked("basebackup") > 0)
        compute.signal("SIGUSR2")
        yield* compute.waitFor("running")
        yield* compute.waitForLog("Request succeeded, sleeping for")
        const leases = asked("lease lsn")
        compute.signal("SIGUSR2")
        yield* until("another lease", () => asked("lease lsn") > leases)
        assert.notMatch(compute.log(), /not done within|no progress within/)
      }),
    LIMIT
  )
})

describe("a process that stood still", () => {
  it.live(
    "goes on where it was: what came meanwhile is in time, and the standstill is no downtime",
    () =>
      Effect.gen(function* () {
        const compute = yield* running()
        yield* compute.sql("SELECT 1")
        // Longer than the patience of the monitor, at moments that fall on its look and beside it.
        for (const moment of [0, 100, 220, 370]) {
          yield* Effect.sleep(moment)
          compute.signal("SIGSTOP")
          const asked = yield* Effect.forkChild(compute.http({ path: "/status", limit: 30_000 }))
          yield* Effect.sleep("7 seconds")
          compute.signal("SIGCONT")
          assert.strictEqual((yield* Fiber.join(asked)).status, 200)
        }
        yield* compute.http({ path: "/activity" })
        assert.notMatch(compute.log(), /could not check Postgres/, compute.log())
        const { body } = yield* compute.http({ path: "/metrics", token: null })
        assert.match(body, /^compute_pg_downtime_ms_total 0$/m)
        yield* serves(compute)
      }),
    LIMIT
  )
})
