/**
 * What becomes of `/configure` and `/refresh_configuration` in a real Postgres.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defaultServer } from "../../src/layers/observe/ServerPing.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { makeConfig, type SpecJson, setting } from "../rig/spec.ts"

const LIMIT = 300_000

const running = Effect.gen(function* () {
  const emulator = yield* startEmulator()
  const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
  yield* compute.waitFor("running")
  return { emulator, compute }
})

/** The spec with these settings in the place of those of the same name. */
const withSettings = (spec: SpecJson, ...settings: ReadonlyArray<ReturnType<typeof setting>>): SpecJson => {
  const kept = spec["cluster"].settings.filter(
    ({ name }: { readonly name: string }) => !settings.some((other) => other.name === name)
  )
  return { ...spec, cluster: { ...spec["cluster"], settings: [...kept, ...settings] } }
}

const status = (compute: Compute) => Effect.map(compute.status, (body) => body?.["status"])

describe("a reconfiguration", () => {
  it.live(
    "is in force when it is answered, and names what waits for a restart",
    () =>
      Effect.gen(function* () {
        const { compute } = yield* running
        const next = withSettings(compute.spec, setting("work_mem", "9MB"), setting("max_connections", "50", "integer"))
        const plan = yield* compute.http({ method: "POST", path: "/plan", body: { spec: next } })
        assert.deepStrictEqual(JSON.parse(plan.body).settings, [
          { name: "max_connections", from: "100", to: "50", taken_by: "restart" },
          { name: "work_mem", from: null, to: "9MB", taken_by: "reload" }
        ])
        const answer = yield* compute.configure(next)
        assert.strictEqual(answer.status, 200, answer.body)
        assert.strictEqual(yield* compute.sql("show work_mem"), "9MB")
        assert.strictEqual(yield* compute.sql("show max_connections"), "100")
        const { body } = yield* compute.http({ path: "/apply" })
        const { reconfiguration } = JSON.parse(body)
        assert.deepInclude(reconfiguration, {
          reload_confirmed: true,
          pending_restart: ["max_connections"],
          error: null
        })
        assert.match(compute.log(), /settings that wait for a restart: max_connections/)
      }),
    LIMIT
  )

  it.live(
    "with settings that Postgres refuses is done all the same, and tells which ones it refused and why",
    () =>
      Effect.gen(function* () {
        const { compute } = yield* running
        const told = Effect.gen(function* () {
          const { body } = yield* compute.http({ path: "/status/detail" })
          return JSON.parse(body)["refused_settings"]
        })
        const bad = withSettings(compute.spec, setting("work_mem", "lots"), setting("max_connections", "50", "integer"))
        const { status: code, body } = yield* compute.configure({
          ...bad,
          cluster: { ...bad["cluster"], postgresql_conf: "statement_timeout = 7s" }
        })
        assert.strictEqual(code, 200, body)
        assert.strictEqual(yield* compute.sql("show statement_timeout"), "7s")
        const [mem, connections] = yield* told
        assert.deepInclude(mem, { name: "work_mem", value: "lots", waits_for_restart: false })
        assert.match(mem.reason, /could not be applied, it takes a number from 64 to/)
        const lines = fs.readFileSync(mem.file, "utf8").split("\n")
        assert.strictEqual(lines[mem.line - 1], "work_mem = 'lots'")
        assert.deepInclude(connections, { name: "max_connections", waits_for_restart: true })

        const unknown = withSettings(compute.spec, setting("work_men", "9MB"))
        assert.strictEqual((yield* compute.configure(unknown)).status, 200)
        assert.deepInclude(yield* compute.status, { status: "running", error: null })
        const { reconfiguration } = JSON.parse((yield* compute.http({ path: "/apply" })).body)
        assert.deepInclude(reconfiguration.refused_settings[0], {
          name: "work_men",
          value: "9MB",
          reason: "unrecognized configuration parameter"
        })
        assert.match((yield* compute.http({ path: "/metrics" })).body, /^compute_ctl_refused_settings 1$/m)
        assert.match(
          compute.log(),
          /ERROR.*Postgres refused settings.*work_men = '9MB' \(.*postgresql.conf:\d+\): unrec/
        )
        assert.strictEqual((yield* compute.configure(compute.spec)).status, 200)
        assert.deepStrictEqual(yield* told, [])
      }),
    LIMIT
  )

  it.live(
    "that cannot be written is answered with its reason, and both /configure and /terminate get on from there",
    () =>
      Effect.gen(function* () {
        const { compute } = yield* running
        const cluster = { ...compute.spec["cluster"], settings: [{ name: "work_mem", value: null, vartype: "string" }] }
        const refused = yield* compute.configure({ ...compute.spec, cluster })
        assert.strictEqual(refused.status, 500)
        assert.match(refused.body, /compute configuration failed: .*work_mem.*there is no value/)
        const failed = yield* compute.status
        assert.strictEqual(failed?.["status"], "failed")
        assert.match(String(failed?.["error"]), /there is no value/)
        assert.strictEqual((yield* compute.configure(compute.spec)).status, 200)
        assert.deepInclude(yield* compute.status, { status: "running", error: null })
        assert.strictEqual((yield* compute.configure({ ...compute.spec, cluster })).status, 500)
        const terminated = yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })
        assert.deepStrictEqual([terminated.status, terminated.body], [200, '{"lsn":"0/1800000"}'])
        assert.strictEqual((yield* compute.ended).code, 0)
      }),
    LIMIT
  )

  it.live(
    "by a refresh is tried again by itself when the configuration can be had again",
    () =>
      Effect.gen(function* () {
        const { compute, emulator } = yield* running
        fs.writeFileSync(compute.configPath, "{")
        const refresh = compute.http({ method: "POST", path: "/refresh_configuration", server: "internal" })
        assert.strictEqual((yield* refresh).status, 200)
        yield* compute.waitFor("refresh_configuration_pending")
        const refused = yield* compute.configure(compute.spec)
        assert.strictEqual(refused.body, '{"error":"invalid compute status: refresh-configuration-pending"}')
        const moved = String(emulator.addresses.pageservers[0]).replace("no_user", "moved")
        fs.writeFileSync(
          compute.configPath,
          JSON.stringify(makeConfig({ ...compute.spec, pageserver_connstring: moved }))
        )
        yield* compute.waitFor("running")
        assert.strictEqual(yield* compute.sql("show neon.pageserver_connstring"), moved)
      }),
    LIMIT
  )

  it.live(
    "under a detached compute stops Postgres in order before the process exits 1",
    () =>
      Effect.gen(function* () {
        const { compute } = yield* running
        fs.writeFileSync(compute.configPath, JSON.stringify(makeConfig(null)))
        yield* compute.http({ method: "POST", path: "/refresh_configuration", server: "internal" })
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.match(compute.log(), /PG:.*received fast shutdown request/)
        assert.match(compute.log(), /PG:.*database system is shut down/)
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )

  it.live(
    "leaves subscribers on once the catalog has dropped inherited subscriptions",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator, spec: { drop_subscriptions_before_start: true } })
        yield* compute.waitFor("running")
        const shown = () => compute.sql("show neon.disable_logical_replication_subscribers")
        assert.strictEqual(yield* shown(), "false")
        assert.strictEqual((yield* compute.configure(compute.spec)).status, 200)
        assert.strictEqual(yield* shown(), "false")
        const log = compute.log()
        assert.notMatch(log, /disable_logical_replication_subscribers" changed to "true"/)
        assert.strictEqual(yield* status(compute), "running")
        const lines = fs.readFileSync(path.join(compute.pgdata, "postgresql.conf"), "utf8").split("\n")
        assert.strictEqual(lines.at(-1), "neon.disable_logical_replication_subscribers=false")
      }),
    LIMIT
  )
})

describe("the liveness probe of lakebase", () => {
  it.live(
    "asks Postgres on its socket, where its own tools look, whatever PGHOST says",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const dir = path.join(emulator.addresses.dir, "probe")
        fs.mkdirSync(dir, { mode: 0o711 })
        const probe = (compute: Compute) => compute.http({ path: "/hadron_liveness_probe" })
        const seen = yield* startCompute({
          emulator,
          dir,
          spec: { skip_pg_catalog_updates: true },
          settings: [
            setting("unix_socket_directories", path.dirname(defaultServer(emulator.addresses.pgbin, 1).server.path))
          ],
          env: { PGHOST: path.join(dir, "sock") }
        })
        yield* seen.waitFor("running")
        const alive = yield* probe(seen)
        assert.deepStrictEqual([alive.status, alive.body], [200, '"ok"'])
        const pid = fs.readFileSync(path.join(seen.pgdata, "postmaster.pid"), "utf8").split("\n")[0]
        process.kill(Number(pid), "SIGSTOP")
        const stuck = yield* probe(seen)
        process.kill(Number(pid), "SIGCONT")
        assert.strictEqual(stuck.status, 500)
        const command = `${path.dirname(emulator.addresses.pgbin)}/pg_isready --port ${seen.ports.postgres}`
        assert.strictEqual(stuck.body, JSON.stringify({ error: `could not run \`${command}\`: no answer within 3 s` }))
      }),
    LIMIT
  )
})
