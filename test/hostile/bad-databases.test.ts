/**
 * Databases that their owners have broken or locked: each fails alone, and everything that does not depend on it is done.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { ApplyReport, StepReport } from "../../src/domain/catalog/Report.ts"
import * as Lsn from "../../src/domain/spec/Lsn.ts"
import { database, role } from "../domain/catalog/parts.ts"
import { type Compute, type ComputeOptions, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { merge, type SpecJson, setting } from "../rig/spec.ts"
import { failedDatabases, lakebaseEmulator, lastApply, statusDetail, stepsOf } from "./tenants.ts"

const LIMIT = 300_000

const failedNames = ({ failed_databases }: Pick<ApplyReport, "failed_databases">) =>
  failed_databases.map(({ database }) => database).toSorted()

/** A compute whose databases were spoilt in its earlier life. */
const restarted = (
  options: Omit<ComputeOptions, "emulator">,
  spoil: (compute: Compute) => Effect.Effect<unknown, unknown>,
  next: SpecJson
) =>
  Effect.gen(function* () {
    const emulator = yield* lakebaseEmulator
    yield* Effect.scoped(
      Effect.gen(function* () {
        const first = yield* startCompute({ emulator, ...options })
        yield* first.waitFor("running")
        // The migrations end in the background.
        yield* first.waitForLog("Finished migration id=12")
        yield* spoil(first)
        const answer = yield* first.http({ method: "POST", path: "/terminate?mode=immediate", limit: 60_000 })
        assert.strictEqual(answer.status, 200, answer.body)
        yield* first.ended
        const { tenant_id: tenant, timeline_id: timeline } = emulator.addresses
        yield* emulator.keep({ tenant, timeline, pgdata: first.pgdata, lsn: Lsn.fromBigInt(0x1800000n) })
      })
    )
    return yield* startCompute({ emulator, ...options, spec: next })
  })

for (const args of [[], ["--lakebase-mode", "true"]]) {
  const mode = args.length === 0 ? "" : ", in lakebase mode"
  const names = ["good", "shut", "limited", "invalid", "locale", "files", "locked", "held", "settings"]
  const spec = {
    skip_pg_catalog_updates: false,
    cluster: { roles: [role("alice")], databases: names.map((name) => database(name, "alice")) }
  }
  const settings = [setting("max_prepared_transactions", "10", "integer"), setting("wal_level", "logical")]

  it.live(
    `a start is up with all databases but those that cannot be worked in, and the next apply tries them again${mode}`,
    () =>
      Effect.gen(function* () {
        let broken = ""
        const spoil = (compute: Compute) =>
          Effect.gen(function* () {
            const revoke = "alter default privileges in schema public revoke all on tables from neon_superuser"
            for (const name of ["good", "locked", "limited"]) yield* compute.sql(revoke, { database: name })
            yield* compute.sql("alter database shut allow_connections false")
            yield* compute.sql("alter database limited connection limit 0", { user: "alice" })
            yield* compute.sql("update pg_database set datconnlimit = -2 where datname = 'invalid'")
            yield* compute.sql("update pg_database set datcollate = 'xx_XX.none' where datname = 'locale'")
            yield* compute.sql("alter database settings set local_preload_libraries = 'nosuch'", { user: "alice" })
            yield* compute.sql(
              "begin; lock table pg_catalog.pg_default_acl in share mode; prepare transaction 'of a tenant'",
              {
                database: "locked"
              }
            )
            yield* compute.sql("begin; create table t(); prepare transaction 'keeps it'", {
              database: "held",
              user: "alice"
            })
            yield* compute.sql("checkpoint")
            broken = yield* compute.sql("select oid from pg_database where datname = 'files'")
            yield* Effect.sync(() => fs.rmSync(path.join(compute.pgdata, "base", broken), { recursive: true }))
          })
        const next = merge(spec, {
          cluster: {
            roles: [role("alice"), role("late")],
            databases: [...names.filter((name) => name !== "held"), "new"].map((name) => database(name, "alice"))
          },
          delta_operations: [{ action: "delete_db", name: "held" }]
        })
        const compute = yield* restarted({ spec, settings, args }, spoil, next)
        yield* compute.waitFor("running")

        const report = yield* lastApply(compute)
        assert.deepStrictEqual(failedNames(report), ["files", "held", "locale", "locked", "shut"])
        const about = (name: string) => report.failed_databases.find(({ database }) => database === name)
        assert.strictEqual(about("locked")?.error.sqlstate, "55P03", JSON.stringify(about("locked")))
        assert.match(
          about("locked")?.error.message ?? "",
          /held by prepared transaction "of a tenant", user "cloud_admin"/
        )
        assert.match(about("held")?.error.message ?? "", /prepared transaction "keeps it"/)
        assert.notInclude(
          stepsOf(report).map(({ state }) => state),
          "pending"
        )
        const shown = yield* statusDetail(compute)
        assert.deepStrictEqual([shown["status"], failedNames(shown as ApplyReport)], ["running", failedNames(report)])
        assert.strictEqual(yield* failedDatabases(compute), 5)
        for (const name of failedNames(report)) {
          const lines = compute.log().match(new RegExp(`ERROR.*catalog: database "${name}"`, "g"))
          assert.strictEqual(lines?.length, 1, `${name}\n${lines?.join("\n")}`)
        }
        const granted = "select count(*) from pg_default_acl"
        for (const name of ["good", "limited", "invalid", "new"]) {
          assert.strictEqual(yield* compute.sql(granted, { database: name }), "2", name)
        }
        assert.strictEqual(yield* compute.sql("select count(*) from pg_roles where rolname = 'late'"), "1")

        yield* compute.sql("alter database shut allow_connections true")
        yield* compute.sql("rollback prepared 'of a tenant'", { database: "locked" })
        yield* compute.sql("rollback prepared 'keeps it'", { database: "held" })
        yield* compute.sql("update pg_database set datcollate = datctype where datname = 'locale'")
        yield* compute.sql("drop database files")
        const healed = yield* compute.configure(compute.spec)
        assert.strictEqual(healed.status, 200, healed.body)
        assert.deepStrictEqual((yield* lastApply(compute)).failed_databases, [])
        assert.deepStrictEqual((yield* statusDetail(compute))["failed_databases"], [])
        assert.strictEqual(yield* failedDatabases(compute), 0)
        assert.strictEqual(yield* compute.sql(granted, { database: "locked" }), "2")
        assert.strictEqual(yield* compute.sql("select count(*) from pg_database where datname = 'held'"), "0")
      }),
    LIMIT
  )
}

describe("statements that Postgres refuses", () => {
  const asked = {
    roles: [role("alice"), role("pg_reserved"), role("bob")],
    databases: [
      database("fine", "alice"),
      database("orphan", "ghost"),
      database("unborn", "pg_reserved"),
      database("last", "bob")
    ]
  }
  const expected = (steps: ReadonlyArray<StepReport>, done: ReadonlyArray<string>) => {
    const states = (object: string) => [
      ...new Set(steps.filter((step) => step.object.includes(object)).map(({ state }) => state))
    ]
    assert.deepStrictEqual(states('role "pg_reserved"'), ["failed"])
    assert.deepStrictEqual(states('database "orphan"'), ["failed", "skipped"])
    assert.deepStrictEqual(states('database "unborn"'), ["skipped"])
    for (const object of ['role "bob"', 'database "fine"', 'database "last"', ...done]) {
      assert.deepStrictEqual(states(object), ["done"], object)
    }
    const unborn = steps.find(({ object }) => object === 'database "unborn"')
    assert.strictEqual(unborn?.because, 'it depends on role "pg_reserved" failed')
    assert.strictEqual(steps.filter(({ state }) => state === "failed").length, 2)
  }

  it.live(
    "fail a start, after everything that does not depend on them has been done",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: false, cluster: asked } })
        const { error } = yield* compute.waitFor("failed")
        assert.match(error, /^db error: ERROR: role name "pg_reserved" is reserved/)
        const report = yield* lastApply(compute)
        expected(stepsOf(report), ['role "alice"'])
        const phases = report.phases.filter(({ steps }) => steps.some(({ state }) => state === "done"))
        assert.includeMembers(
          phases.map(({ phase }) => phase),
          ["schema neon", "databases", "neon extension", "availability check"]
        )
      }),
    LIMIT
  )

  it.live(
    "fail a reconfiguration in the same way, and a broken database beside them too",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const cluster = { roles: [role("alice")], databases: [database("app", "alice")] }
        const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: false, cluster } })
        yield* compute.waitFor("running")
        const refused = yield* compute.configure(merge(compute.spec, { cluster: asked }))
        assert.strictEqual(refused.status, 500)
        assert.match(
          JSON.parse(refused.body).error,
          /^compute configuration failed: "db error: ERROR: role name \\"pg_reserved\\" is reserved/
        )
        assert.strictEqual((yield* compute.status)?.["status"], "failed")
        expected(stepsOf(yield* lastApply(compute)), [])
        const grants = "select count(*) from pg_default_acl"
        assert.strictEqual(yield* compute.sql(grants, { database: "last" }), "2")

        yield* compute.sql("update pg_database set datcollate = 'xx_XX.none' where datname = 'app'")
        const more = merge(compute.spec, {
          cluster: {
            roles: [role("alice"), role("carol")],
            databases: ["app", "fresh"].map((name) => database(name, "alice"))
          }
        })
        const broken = yield* compute.configure(more)
        assert.strictEqual(broken.status, 500)
        assert.match(broken.body, /database \\"app\\"|xx_XX\.none|locale/)
        assert.deepStrictEqual(failedNames(yield* lastApply(compute)), ["app"])
        assert.strictEqual(yield* compute.sql(grants, { database: "fresh" }), "2")
        yield* compute.sql("update pg_database set datcollate = datctype where datname = 'app'")
        assert.strictEqual((yield* compute.configure(more)).status, 200)
      }),
    LIMIT
  )
})

it.live(
  "our own database is opened again when the tenant it was given to has shut it, and made anew when it is gone",
  () =>
    Effect.gen(function* () {
      const emulator = yield* startEmulator()
      const cluster = {
        roles: [role("alice")],
        databases: [database("postgres", "alice"), database("app", "alice")]
      }
      const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: false, cluster } })
      yield* compute.waitFor("running")
      const shut = compute.sql("alter database postgres allow_connections false", { user: "alice", database: "app" })
      for (const [method, path] of [
        ["GET", "/dbs_and_roles"],
        ["GET", "/insights"],
        ["GET", "/plan"],
        ["POST", "/check_writability"]
      ] as const) {
        yield* shut
        const asked = yield* compute.http({ method, path })
        assert.strictEqual(asked.status, 200, `${path}: ${asked.body}`)
      }
      yield* shut
      const answer = yield* compute.configure(merge(compute.spec, { cluster: { roles: [role("alice"), role("bob")] } }))
      assert.strictEqual(answer.status, 200, answer.body)
      assert.strictEqual(yield* compute.sql("select count(*) from pg_roles where rolname = 'bob'"), "1")
      yield* compute.waitForLog(/database "postgres" did not accept connections, and does again/)

      // By somebody who stands for a moment in which no session of ours is there.
      const beside = { database: "template1" }
      for (const how of ["datconnlimit = -2", "datname = 'mine'"]) {
        yield* compute.sql(`update pg_database set ${how} where datname = 'postgres'`, beside)
        yield* compute.sql(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname in ('postgres', 'mine')",
          beside
        )
        const made = yield* compute.configure(compute.spec)
        assert.strictEqual(made.status, 200, `${how}: ${made.body}`)
        assert.strictEqual(
          yield* compute.sql("select datdba::regrole from pg_database where datname = 'postgres'"),
          "alice"
        )
        assert.strictEqual((yield* compute.http({ method: "POST", path: "/check_writability" })).body, "true")
      }
      yield* compute.waitForLog(/database "postgres" was gone, and is made anew/)
    }),
  LIMIT
)
