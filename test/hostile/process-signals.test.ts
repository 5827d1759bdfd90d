/**
 * Signals, all that the system has: none opens the process, and none leaves Postgres alone.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Compute, type ComputeOptions, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { tempDir } from "../rig/postgres.ts"

const LIMIT = 300_000

/** Nobody can hear these. */
const UNHEARD = ["SIGKILL", "SIGSTOP"]
/** Do nothing by default, or stop and continue the process, which is whose terminal it is to say. */
const HARMLESS = ["SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGTSTP", "SIGTTIN", "SIGTTOU"]
/** Come of a fault of the process itself; it cannot go on. */
const FAULTS = ["SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL"] as const
/** Asked of a real Postgres, which says how it was told to stop; the others of one that is quick to start. */
const REAL = ["SIGTERM", "SIGQUIT", "SIGXCPU"]
const STOPPING = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGPWR", "SIGXCPU", "SIGABRT", "SIGTRAP", "SIGSYS"]

const number = (name: string): number =>
  Object.entries(os.constants.signals).find(([known]) => known === name)?.[1] ?? assert.fail(`no ${name}`)

const named = Object.values(os.constants.signals)
const spoken = [...UNHEARD, ...HARMLESS, ...FAULTS, ...STOPPING].map(number)
/** The rest, with the real-time signals, which have no names. */
const MEANINGLESS = [
  ...new Set([...named, ...Array.from({ length: 31 }, (_, index) => 34 + index)].filter((one) => !spoken.includes(one)))
]

const start = (options: Partial<ComputeOptions> = {}) =>
  Effect.gen(function* () {
    const compute = yield* startCompute({ emulator: yield* startEmulator(), ...options })
    yield* compute.waitFor("running")
    return compute
  })

const untilNobody = (compute: Compute) => {
  const poll: Effect.Effect<void> = Effect.flatMap(compute.processes, (left) =>
    left.length === 0 ? Effect.void : Effect.delay(poll, 50)
  )
  return poll.pipe(
    Effect.timeoutOption("90 seconds"),
    Effect.andThen(compute.processes),
    Effect.map((left) => assert.deepStrictEqual(left, []))
  )
}

const listening = (pid: number): number => {
  const inodes = new Set(
    fs.readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [/^socket:\[(\d+)\]$/.exec(fs.readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? ""]
      } catch {
        return []
      }
    })
  )
  return ["tcp", "tcp6"]
    .flatMap((table) => fs.readFileSync(`/proc/${pid}/net/${table}`, "utf8").split("\n"))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === "0A" && inodes.has(fields[9] ?? "")).length
}

describe("a signal", () => {
  for (const ordinary of [false, true]) {
    it.live(
      `without a meaning is ignored, said once, and opens no debugger${ordinary ? ", as an ordinary user" : ""}`,
      () =>
        Effect.gen(function* () {
          const compute = yield* start({ ordinary })
          const ports = listening(compute.pid)
          assert.include(MEANINGLESS, number("SIGUSR1"))
          assert.include(MEANINGLESS, number("SIGHUP"))
          assert.include(MEANINGLESS, 64)
          for (let round = 0; round < 3; round++) {
            for (const signal of MEANINGLESS) process.kill(compute.pid, signal)
          }
          // The one is a reload; the other the runtime keeps from itself.
          const said = MEANINGLESS.filter((signal) => ![number("SIGHUP"), number("SIGUSR1")].includes(signal))
          yield* Effect.forEach(said, (signal) => compute.waitForLog(`received signal ${signal}, which has no meaning`))
          assert.strictEqual(yield* compute.sql("SELECT 1"), "1")
          assert.strictEqual((yield* compute.status)?.["status"], "running")
          assert.strictEqual(compute.log().match(/has no meaning here/g)?.length, said.length)
          assert.strictEqual(listening(compute.pid), ports)
          assert.notMatch(compute.log(), /[Dd]ebugger/)
        }),
      LIMIT
    )
  }

  it.live(
    "without a meaning does not end a compute that has no Postgres yet",
    () =>
      Effect.gen(function* () {
        const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null })
        yield* compute.waitFor("empty")
        for (const signal of MEANINGLESS) process.kill(compute.pid, signal)
        yield* compute.waitForLog("received signal 64")
        assert.strictEqual((yield* compute.status)?.["status"], "empty")
      }),
    LIMIT
  )

  for (const signal of STOPPING) {
    it.live(
      `that ends a process stops Postgres in order: ${signal}`,
      () =>
        Effect.gen(function* () {
          const isReal = REAL.includes(signal)
          const emulator = yield* isReal ? startEmulator() : startFakeEmulator()
          const compute = yield* startCompute({ emulator, ...(!isReal && { spec: { skip_pg_catalog_updates: true } }) })
          yield* compute.waitFor("running")
          process.kill(compute.pid, signal)
          assert.deepStrictEqual(yield* compute.ended, { code: 1, signal: null })
          const mode = signal === "SIGQUIT" ? "immediate" : "fast"
          if (isReal) assert.match(compute.log(), new RegExp(`PG:.*received ${mode} shutdown request`))
          assert.deepStrictEqual(yield* compute.processes, [])
        }),
      LIMIT
    )
  }

  /** The last is the C library's own. Its other one, 33, ends nobody: it hears only what comes from the process itself. */
  for (const signal of ["SIGKILL", ...FAULTS, 32] as const) {
    it.live(
      `that nobody can hear leaves nobody either: ${signal}`,
      () =>
        Effect.gen(function* () {
          // Where its core goes.
          const compute = yield* start({ cwd: yield* tempDir("core-") })
          // Busy, deaf to what its parent's end means, and a program of a statement's.
          yield* Effect.forkScoped(Effect.exit(compute.sql("COPY (SELECT 1) TO PROGRAM 'sleep 600; cat'")))
          const sleeping = Effect.map(compute.processes, (all) => all.some(({ command }) => command === "sleep 600"))
          yield* Effect.repeat(Effect.delay(sleeping, 20), { until: (found) => found })
          process.kill(compute.pid, signal)
          const ended = yield* compute.ended
          // The test's own runtime has no name for the last.
          if (typeof signal === "string") assert.strictEqual(ended.signal, signal)
          yield* untilNobody(compute)
        }),
      LIMIT
    )
  }
})
