/**
 * As process 1 of a namespace, as in a container without an init. Making one takes root's rights.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Compute, type ComputeOptions, program, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"

const LIMIT = 300_000

const unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]

const isPossible = (() => {
  try {
    execFileSync(unshare[0] ?? "", [...unshare.slice(1), "true"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

const INITS = [
  "/usr/bin/tini",
  "/sbin/tini",
  "/usr/local/bin/tini",
  "/tini",
  "/sbin/docker-init",
  "/usr/libexec/docker/docker-init",
  "/usr/bin/catatonit",
  "/usr/bin/dumb-init"
].filter((file) => fs.existsSync(file))

/** In the new namespace of mounts these are no programs. */
const without = (hidden: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...unshare,
  ...(hidden.length === 0
    ? []
    : ["/bin/sh", "-c", `${hidden.map((file) => `mount --bind /dev/null ${file} && `).join("")} exec "$0" "$@"`]),
  ...program()
]

interface Seen {
  readonly pid: number
  readonly name: string
  readonly state: string
}

const childrenOf = (parent: number): ReadonlyArray<Seen> =>
  fs.readdirSync("/proc").flatMap((pid) => {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
      const [, name = "", state = "", ppid] = /^\d+ \((.*)\) (\S) (\d+)/s.exec(stat) ?? []
      return Number(ppid) === parent ? [{ pid: Number(pid), name, state }] : []
    } catch {
      return []
    }
  })

/** The process that is 1 in there. */
const firstOf = (compute: Compute): number => childrenOf(compute.pid)[0]?.pid ?? assert.fail("nobody is process 1")

const start = (options: Partial<ComputeOptions>) =>
  Effect.gen(function* () {
    const compute = yield* startCompute({ emulator: yield* startEmulator(), ...options })
    yield* compute.waitFor("running")
    return compute
  })

const reapsAndStops = (compute: Compute) =>
  Effect.gen(function* () {
    const first = firstOf(compute)
    assert.include(fs.readFileSync(`/proc/${first}/status`, "utf8").replace(/\s+/g, " "), "NSpid: ")
    // They hold the session's socket as well, so its client would wait for them.
    const statement = "COPY (SELECT 1) TO PROGRAM 'for i in 1 2 3 4 5; do (sleep 600 &); done; cat >/dev/null'"
    yield* Effect.forkScoped(Effect.exit(compute.sql(statement)))
    const orphans = () => childrenOf(first).filter(({ name }) => name === "sleep")
    const until = (count: number) =>
      Effect.repeat(Effect.delay(Effect.sync(orphans), 20), { until: (all) => all.length === count }).pipe(
        Effect.timeout("1 minute")
      )
    for (const { pid } of yield* until(5)) process.kill(pid, "SIGKILL")
    yield* until(0)
    process.kill(first, "SIGHUP")
    yield* compute.waitForLog("received SIGHUP, reloading configuration files")
    process.kill(first, "SIGUSR2")
    process.kill(first, "SIGTERM")
    assert.deepStrictEqual(yield* compute.ended, { code: 1, signal: null })
    assert.match(compute.log(), /PG:.*database system is shut down/)
    assert.deepStrictEqual(yield* compute.processes, [])
  })

describe.skipIf(!isPossible)("as process 1", () => {
  it.live.skipIf(INITS.length === 0)(
    "orphans are waited for by the init of the image",
    () => Effect.flatMap(start({ program: without([]) }), reapsAndStops),
    LIMIT
  )

  it.live(
    "orphans are waited for by a shell where there is no init, which passes signals on and ends as we do",
    () => Effect.flatMap(start({ program: without(INITS) }), reapsAndStops),
    LIMIT
  )

  it.live(
    "the exit code of an orderly end is passed on as well",
    () =>
      Effect.gen(function* () {
        const compute = yield* start({ program: without(INITS) })
        const answer = yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })
        assert.strictEqual(answer.status, 200)
        assert.deepStrictEqual(yield* compute.ended, { code: 0, signal: null })
      }),
    LIMIT
  )

  it.live(
    "without either, the log says loudly what is missing",
    () =>
      Effect.gen(function* () {
        const compute = yield* startCompute({
          emulator: yield* startFakeEmulator(),
          spec: null,
          // Nothing is warmed up by a Postgres, whose own programs are run by a shell.
          args: ["--lakebase-mode", "true"],
          program: without([...INITS, "/bin/sh"])
        })
        yield* compute.waitFor("empty")
        yield* compute.waitForLog(/ERROR running as process 1 without an init: .*tini/)
        process.kill(firstOf(compute), "SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
      }),
    LIMIT
  )
})
