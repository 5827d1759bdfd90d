/**
 * Who works in the data directory of a Postgres that is gone.
 */
import { execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Compute, type ComputeOptions, program, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { account } from "../rig/postgres.ts"

const LIMIT = 300_000

const pidFile = (compute: Compute) => fs.readFileSync(path.join(compute.pgdata, "postmaster.pid"), "utf8").split("\n")
const postmasterOf = (compute: Compute) => Number(pidFile(compute)[0])
const segmentOf = (compute: Compute) => Number(pidFile(compute)[6]?.trim().split(/\s+/)[1])

const segments = () =>
  fs
    .readFileSync("/proc/sysvipc/shm", "utf8")
    .split("\n")
    .map((line) => Number(line.trim().split(/\s+/)[1]))

const isAlive = (pid: number) => {
  try {
    return !/\) Z /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

const start = (options: Partial<ComputeOptions> = {}) =>
  Effect.gen(function* () {
    const compute = yield* startCompute({ emulator: yield* startEmulator(), ...options })
    yield* compute.waitFor("running")
    return compute
  })

/** Runs a statement that does not end; the pid of its backend. */
const backend = (compute: Compute, mark: string, statement: string) =>
  Effect.gen(function* () {
    yield* Effect.forkScoped(Effect.exit(compute.sql(`/* ${mark} */ ${statement}`)))
    const find = compute.sql(`SELECT pid FROM pg_stat_activity WHERE query LIKE '/* ${mark} */%'`)
    return Number(yield* Effect.repeat(Effect.delay(find, 20), { until: (text) => /^\d+$/.test(text) }))
  })

/** All kinds at once: their pids. */
const inhabit = (compute: Compute) =>
  Effect.gen(function* () {
    const busy = yield* backend(compute, "busy", "SELECT count(*) FROM generate_series(1, 1000000000000)")
    const stopped = yield* backend(compute, "stopped", "SELECT pg_sleep(600)")
    // A program that went elsewhere, in a place where its group alone tells whose it is.
    const file = path.join(compute.dir, "sock", "program.pid")
    yield* backend(compute, "program", `COPY (SELECT 1) TO PROGRAM 'cd /; echo $$ > ${file}; exec sleep 600'`)
    const program = Effect.sync(() => (fs.existsSync(file) ? Number(fs.readFileSync(file, "utf8")) : 0))
    const pid = yield* Effect.repeat(Effect.delay(program, 20), { until: (found) => found > 0 })
    process.kill(stopped, "SIGSTOP")
    return [busy, stopped, pid]
  })

/** Root as most containers have it: it may not look into processes of others. */
const blind = ((): Partial<ComputeOptions> | null => {
  const without = ["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
  try {
    execFileSync("setpriv", [...without, "true"], { stdio: "ignore" })
    return account === null ? null : { program: ["setpriv", ...without, ...program()] }
  } catch {
    return null
  }
})()

const ways: ReadonlyArray<readonly [string, Partial<ComputeOptions>]> = [
  ["", {}],
  [", as an ordinary user", { ordinary: true }],
  ...(blind === null ? [] : [[", as root in a container", blind] as const])
]

describe("what Postgres leaves behind", () => {
  for (const [how, options] of ways) {
    it.live(
      `when it is killed is ended before the safekeepers are synced${how}`,
      () =>
        Effect.gen(function* () {
          const compute = yield* start(options)
          const left = yield* inhabit(compute)
          const segment = segmentOf(compute)
          assert.include(segments(), segment)
          process.kill(postmasterOf(compute), "SIGKILL")
          assert.strictEqual((yield* compute.ended).code, 1)
          assert.deepStrictEqual(left.filter(isAlive), [])
          assert.deepStrictEqual(yield* compute.processes, [])
          assert.match(compute.log(), /ending what still works in .*[0-9]+ \(sleep\)/)
          assert.notInclude(segments(), segment)
          const order = ["ending what still works", "syncing safekeepers on shutdown"].map((text) =>
            compute.log().indexOf(text)
          )
          assert.isTrue((order[0] ?? -1) > 0 && (order[0] ?? 0) < (order[1] ?? 0), String(order))
        }),
      LIMIT
    )
  }

  for (const [how, options] of ways.filter(([, { ordinary }]) => ordinary !== true)) {
    it.live(
      `when everyone who could have ended it was killed is ended by the next start${how}`,
      () =>
        Effect.gen(function* () {
          const first = yield* start(options)
          const left = yield* inhabit(first)
          const segment = segmentOf(first)
          const watchdog = (yield* first.processes).find(({ command }) => command.includes("compute_ctl-watchdog"))
          process.kill(watchdog?.pid ?? assert.fail("no watchdog"), "SIGKILL")
          process.kill(first.pid, "SIGKILL")
          process.kill(postmasterOf(first), "SIGKILL")
          yield* first.ended
          assert.isNotEmpty(left.filter(isAlive))
          const second = yield* start({ ...options, dir: first.dir, ports: first.ports })
          assert.deepStrictEqual(left.filter(isAlive), [])
          assert.match(second.log(), /ending what still works in .*without its Postgres/)
          assert.notInclude(segments(), segment)
          assert.strictEqual(yield* second.sql("SELECT 1"), "1")
          second.signal("SIGTERM")
          assert.strictEqual((yield* second.ended).code, 1)
          assert.deepStrictEqual(yield* second.processes, [])
        }),
      LIMIT
    )
  }

  it.live.runIf(blind !== null)(
    "ends with us, as root in a container",
    () =>
      Effect.gen(function* () {
        const compute = yield* start(blind ?? {})
        yield* inhabit(compute)
        process.kill(compute.pid, "SIGKILL")
        yield* compute.ended
        yield* Effect.repeat(Effect.delay(compute.processes, 50), { until: (left) => left.length === 0 })
      }),
    LIMIT
  )

  it.live(
    "is not an operator's shell at a terminal",
    () =>
      Effect.gen(function* () {
        const compute = yield* start()
        // `script` gives its command a terminal.
        const shell = spawn("script", ["-qc", "exec sleep 600", "/dev/null"], {
          cwd: compute.pgdata,
          stdio: "ignore",
          ...(account !== null && { uid: account.uid, gid: account.gid })
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => shell.kill("SIGKILL")))
        const sleeping = Effect.sync(() => {
          try {
            return Number(execFileSync("pgrep", ["-P", String(shell.pid), "sleep"], { encoding: "utf8" }))
          } catch {
            return 0
          }
        })
        const pid = yield* Effect.repeat(Effect.delay(sleeping, 20), { until: (found) => found > 0 })
        process.kill(postmasterOf(compute), "SIGKILL")
        yield* compute.ended
        assert.isTrue(isAlive(pid))
        process.kill(pid, "SIGKILL")
      }),
    LIMIT
  )
})
