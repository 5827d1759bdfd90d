/**
 * `compute_ctl plan` against a real Postgres.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Catalog } from "../../src/layers/catalog/Catalog.ts"
import { runProgram } from "../rig/compute.ts"
import { tempDir } from "../rig/postgres.ts"
import { database, role, specOf, startCluster, TIMELINE, template, versions } from "./cluster.ts"

const [server] = versions

const parts = { roles: [role("alice")], dbs: [database("app", "alice")] }
const config = {
  spec: {
    format_version: 1,
    suspend_timeout_seconds: -1,
    tenant_id: "b0554b632bd4d547a63b86c3630317e8",
    timeline_id: TIMELINE,
    pageserver_connstring: "postgres://no_user@127.0.0.1:64000",
    safekeeper_connstrings: ["127.0.0.1:5454"],
    cluster: { roles: parts.roles, databases: parts.dbs }
  },
  compute_ctl_config: { jwks: { keys: [] } }
}

it.live("prints what is pending with exit code 2, nothing with 0, and trouble with 1", () =>
  Effect.gen(function* () {
    if (server === undefined) return
    const cluster = yield* startCluster(yield* template(server))
    const dir = yield* tempDir("plan-")
    const file = path.join(dir, "config.json")
    fs.writeFileSync(file, JSON.stringify(config))
    const plan = (...args: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const running = yield* runProgram(["plan", ...args])
        const { code } = yield* running.ended
        return { code, stdout: running.stdout(), log: running.log() }
      })

    const pending = yield* plan("--config", file, "--connstr", cluster.connstr)
    assert.strictEqual(pending.code, 2, pending.log)
    assert.match(pending.stdout, /role "alice": missing[\s\S]*database "app": missing[\s\S]*7 changes pending/)
    assert.notInclude(pending.log, "SCRAM-SHA-256$")

    const hostile = path.join(dir, "hostile.json")
    const cluster2 = { roles: [role("a\x1b[2J\u202e")], databases: [], "x\x1b[5m": 1 }
    fs.writeFileSync(hostile, JSON.stringify({ ...config, spec: { ...config.spec, cluster: cluster2 } }))
    const steering = yield* plan("--config", hostile, "--connstr", cluster.connstr)
    assert.strictEqual(steering.code, 2, steering.log)
    assert.include(steering.stdout, 'CREATE ROLE "a?[2J?"')
    assert.include(steering.log, "x?[5m: nobody reads this member")
    for (const steers of ["\x1b", "\u202e"]) assert.notInclude(steering.stdout + steering.log, steers)

    const asJson = yield* plan("--config", file, "--connstr", cluster.connstr, "--json")
    assert.strictEqual(asJson.code, 2)
    const phases: ReadonlyArray<{ readonly phase: string }> = JSON.parse(asJson.stdout).phases
    assert.strictEqual(phases[0]?.phase, "privileged role")

    yield* Effect.flatMap(Catalog, (catalog) => catalog.apply(specOf(parts), { phase: "start", concurrency: 2 })).pipe(
      Effect.provide(cluster.layer())
    )
    const done = yield* plan("--config", file, "--connstr", cluster.connstr)
    assert.deepStrictEqual([done.code, done.stdout], [0, "nothing to do\n"])

    const wrong = yield* plan("--config", path.join(dir, "missing"), "--connstr", cluster.connstr)
    assert.strictEqual(wrong.code, 1)
    assert.strictEqual((yield* plan()).code, 1)
    const gone = yield* plan("--config", file, "--connstr", "postgresql://cloud_admin@127.0.0.1:1/postgres")
    assert.strictEqual(gone.code, 1)
    assert.match(gone.log, /Error: Postgres at 127.0.0.1:1: error connecting to server: Connection refused/)
  })
)
