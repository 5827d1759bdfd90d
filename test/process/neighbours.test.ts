/**
 * A pooler and a proxy of the compute end with it, however it ends. The program's modules run on the pinned Node with a
 * preload that has their pid files elsewhere: those of a machine are one for all computes on it.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Fault } from "../../src/emulator/Fault.ts"
import { type Compute, type ComputeOptions, startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { root, tempDir } from "../rig/postgres.ts"
import { LIMIT, NET, until } from "../rig/waits.ts"

const preload = (pgbouncer: string, localProxy: string) => `
const promises = require("node:fs/promises")
const elsewhere = ${JSON.stringify({ "/tmp/pgbouncer.pid": pgbouncer, "/etc/local_proxy/pid": localProxy })}
for (const name of ["open", "stat"]) {
  const original = promises[name]
  promises[name] = (file, ...more) => original(elsewhere[file] ?? file, ...more)
}
`

/** Ended with its children by the scope. */
const daemon = (command: string, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => spawn(command, args, { stdio: "ignore", detached: true })),
    (child) =>
      Effect.sync(() => {
        try {
          process.kill(-(child.pid ?? 0), "SIGKILL")
        } catch {
          // Nobody is left.
        }
      })
  )

const isAlive = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null

/** The signal by which it ended. */
const endOf = (child: ChildProcess) =>
  Effect.promise(async () => {
    if (isAlive(child)) await once(child, "exit")
    return child.signalCode
  }).pipe(Effect.timeout(NET))

/** A compute with both beside it: a pooler by its name, a proxy that holds the lock on its pid file. */
const beside = (options: Partial<ComputeOptions> = {}, faults: ReadonlyArray<Fault> = []) =>
  Effect.gen(function* () {
    const dir = yield* tempDir("neighbours-")
    const at = (name: string) => path.join(dir, name)
    fs.copyFileSync(fs.realpathSync("/bin/sleep"), at("pgbouncer"))
    fs.chmodSync(at("pgbouncer"), 0o755)
    const pgbouncer = yield* daemon(at("pgbouncer"), ["600"])
    fs.writeFileSync(at("pgbouncer.pid"), `${pgbouncer.pid}\n`)
    const holding = `echo $$ > "$0/pid"; exec flock -o "$0/pid" sh -c 'echo > "$0/held"; exec sleep 600' "$0"`
    const localProxy = yield* daemon("sh", ["-c", holding, dir])
    yield* until("a lock on the pid file", () => fs.existsSync(at("held")))
    fs.writeFileSync(at("preload.cjs"), preload(at("pgbouncer.pid"), at("pid")))
    const emulator = yield* startFakeEmulator()
    emulator.world.faults = faults
    const compute = yield* startCompute({
      emulator,
      program: [process.execPath, "--require", at("preload.cjs"), path.join(root, "dist/compute_ctl.cjs")],
      spec: { skip_pg_catalog_updates: true },
      ...options
    })
    return { compute, pgbouncer, localProxy }
  })

type Beside = Effect.Success<ReturnType<typeof beside>>

const stopped = ({ localProxy, pgbouncer }: Beside) =>
  Effect.gen(function* () {
    assert.strictEqual(yield* endOf(pgbouncer), "SIGKILL")
    assert.strictEqual(yield* endOf(localProxy), "SIGTERM")
  })

const terminate = (compute: Compute) => compute.http({ method: "POST", path: "/terminate?mode=immediate" })

const silent: Fault = { peer: "pageserver", action: { do: "silence" } }
const denied: Fault = { peer: "pageserver", action: { do: "denied" } }

const hasTools = ["/bin/sleep", "/usr/bin/flock", "/proc/locks"].every((file) => fs.existsSync(file))
if (!hasTools) console.warn("skipped: nobody can hold a lock without flock and /proc/locks")

describe.skipIf(!hasTools)("a pooler and a proxy are stopped", () => {
  const ends = <E>(name: string, body: Effect.Effect<void, E, Scope.Scope>) => it.live(name, () => body, LIMIT)

  ends(
    "with an empty compute that is terminated",
    Effect.gen(function* () {
      const all = yield* beside({ spec: null })
      yield* all.compute.waitFor("empty")
      assert.strictEqual((yield* terminate(all.compute)).status, 200)
      yield* stopped(all)
    })
  )

  ends(
    "with an empty compute that gets a signal",
    Effect.gen(function* () {
      const all = yield* beside({ spec: null })
      yield* all.compute.waitFor("empty")
      all.compute.signal("SIGTERM")
      yield* stopped(all)
    })
  )

  ends(
    "with a start that gets a signal",
    Effect.gen(function* () {
      const all = yield* beside({}, [silent])
      yield* all.compute.waitFor("init")
      all.compute.signal("SIGTERM")
      yield* stopped(all)
    })
  )

  ends(
    "with a start that is terminated",
    Effect.gen(function* () {
      const all = yield* beside({}, [silent])
      yield* all.compute.waitFor("init")
      assert.strictEqual((yield* terminate(all.compute)).status, 200)
      yield* stopped(all)
    })
  )

  ends(
    "with a start that fails",
    Effect.gen(function* () {
      const all = yield* beside({}, [denied])
      yield* all.compute.waitFor("failed")
      yield* stopped(all)
    })
  )

  ends(
    "with a running compute that is terminated",
    Effect.gen(function* () {
      const all = yield* beside()
      yield* all.compute.waitFor("running")
      assert.strictEqual((yield* terminate(all.compute)).status, 200)
      yield* stopped(all)
    })
  )

  ends(
    "with a running compute that gets a signal",
    Effect.gen(function* () {
      const all = yield* beside()
      yield* all.compute.waitFor("running")
      all.compute.signal("SIGTERM")
      yield* stopped(all)
    })
  )

  ends(
    "with a Postgres that is killed",
    Effect.gen(function* () {
      const all = yield* beside()
      yield* all.compute.waitFor("running")
      const [pid] = fs.readFileSync(path.join(all.compute.pgdata, "postmaster.pid"), "utf8").split("\n")
      process.kill(Number(pid), "SIGKILL")
      yield* stopped(all)
    })
  )
})

describe.skipIf(!hasTools)("in dev mode, where they are somebody else's", () => {
  it.live(
    "a signal leaves them alone",
    () =>
      Effect.gen(function* () {
        const { compute, localProxy, pgbouncer } = yield* beside({ args: ["--dev"] })
        yield* compute.waitFor("running")
        compute.signal("SIGTERM")
        yield* compute.ended
        assert.deepStrictEqual([isAlive(pgbouncer), isAlive(localProxy)], [true, true])
      }),
    LIMIT
  )

  it.live(
    "a start that fails does, too",
    () =>
      Effect.gen(function* () {
        const failed = yield* beside({ args: ["--dev"] }, [denied])
        yield* failed.compute.waitFor("failed")
        failed.compute.signal("SIGTERM")
        yield* failed.compute.ended
        assert.deepStrictEqual([isAlive(failed.pgbouncer), isAlive(failed.localProxy)], [true, true])
      }),
    LIMIT
  )

  it.live(
    "/terminate stops them",
    () =>
      Effect.gen(function* () {
        const all = yield* beside({ args: ["--dev"] })
        yield* all.compute.waitFor("running")
        assert.strictEqual((yield* terminate(all.compute)).status, 200)
        yield* stopped(all)
      }),
    LIMIT
  )
})
