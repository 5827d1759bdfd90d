/**
 * Databases and roles of names that mean something to a parser on the way: SQL's, a connection string's, a command line's,
 * a pattern's. Each is made, asked for, renamed and dropped.
 */
import { existsSync } from "node:fs"
import * as path from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { stored } from "../../src/domain/catalog/Name.ts"
import { database, role } from "../domain/catalog/parts.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { fullPgbin, pgbin } from "../rig/postgres.ts"
import { merge } from "../rig/spec.ts"
import { failedDatabases, lakebaseEmulator, lastApply } from "./tenants.ts"

const LIMIT = 240_000

const NAMES = [
  ...["a=b", "host=evil.example dbname=x", "postgresql://evil/x", "sslmode=require", "?x=y&z", "-c search_path=x"],
  ...['q"uo"te', "it's", "back\\slash", "$(id)", "a;b--", "/* c", "%s%I%L", "$x$", "a$$b", "{json}"],
  ...[
    " spaced out ",
    "new\nline",
    "tab\there",
    "\u0001\u007f",
    "ünï-日本",
    "Upper",
    "*",
    "#hash",
    "@include",
    "/../up"
  ],
  ...["null", "user", "all", "public", "template", "replication", "sameuser", "NONE"],
  ...["é".repeat(31), "x".repeat(63), "y".repeat(80)]
]
const owners = NAMES.map((name) => `r ${name}`)

const well = (answer: { readonly status: number; readonly body: string }, status = 200, about = "") =>
  assert.strictEqual(answer.status, status, `${about} ${answer.body}`)

const applied = (compute: Compute) =>
  Effect.gen(function* () {
    assert.strictEqual((yield* lastApply(compute)).state, "done")
    assert.strictEqual(yield* failedDatabases(compute), 0)
  })

for (const args of [[], ["--lakebase-mode", "true"]]) {
  it.live(
    `names are names, whatever they look like ${args.join(" ")}`,
    () =>
      Effect.gen(function* () {
        const cluster = {
          roles: owners.map((name) => role(name)),
          databases: NAMES.map((name) => database(name, `r ${name}`))
        }
        const compute = yield* startCompute({
          emulator: yield* lakebaseEmulator,
          args,
          spec: { skip_pg_catalog_updates: false, cluster }
        })
        yield* compute.waitFor("running")
        yield* applied(compute)
        const dumps = existsSync(path.join(path.dirname(pgbin), "pg_dump"))
        for (const name of NAMES) {
          if (dumps) {
            const dump = yield* compute.http({ path: `/database_schema?database=${encodeURIComponent(stored(name))}` })
            well(dump, 200, name)
            assert.include(dump.body, "PostgreSQL database dump", name)
          }
          const grant = { database: name, schema: "public", privileges: ["USAGE"], role: `r ${name}` }
          well(yield* compute.http({ method: "POST", server: "internal", path: "/grants", body: grant }), 201, name)
        }
        const listed = JSON.parse((yield* compute.http({ path: "/dbs_and_roles" })).body)
        const named = (rows: ReadonlyArray<{ readonly name: string }>) => rows.map((row) => row.name)
        assert.includeMembers(named(listed.databases), NAMES.map(stored))
        assert.includeMembers(named(listed.roles), owners.map(stored))
        const plan = JSON.parse((yield* compute.http({ path: "/plan" })).body)
        // A lakebase compute makes its extension anew.
        if (args.length === 0) assert.deepStrictEqual(plan, { phases: [], warnings: [] })

        const moved = (name: string) => `moved ${NAMES.indexOf(name)} ${name}`
        const to = (delta_operations: ReadonlyArray<object>) =>
          compute.configure(merge(compute.spec, { cluster: { roles: [], databases: [] }, delta_operations }))
        well(
          yield* to([
            ...NAMES.map((name) => ({ action: "rename_db", name, new_name: moved(name) })),
            ...owners.map((name) => ({ action: "delete_role", name }))
          ])
        )
        yield* applied(compute)
        assert.strictEqual(yield* compute.sql("select count(*) from pg_roles where rolname like 'r %'"), "0")
        well(yield* to(NAMES.map((name) => ({ action: "delete_db", name: moved(name) }))))
        const left = "select string_agg(datname, ' ' order by datname) from pg_database"
        assert.strictEqual(yield* compute.sql(left), "postgres template0 template1")
      }),
    LIMIT
  )
}

it.live.skipIf(fullPgbin === undefined)(
  "a dump has all names, whatever encoding the owner of the database wants",
  () =>
    Effect.gen(function* () {
      const emulator = yield* startEmulator({ pgbin: fullPgbin ?? pgbin })
      const cluster = { roles: [role("alice")], databases: [database("app", "alice")] }
      const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: false, cluster } })
      yield* compute.waitFor("running")
      yield* compute.sql('create table public."таблица" ()', { database: "app" })
      yield* compute.sql("alter database app set client_encoding = 'LATIN1'", { user: "alice" })
      const dump = yield* compute.http({ path: "/database_schema?database=app" })
      well(dump)
      assert.include(dump.body, "SET client_encoding = 'UTF8'")
      assert.include(dump.body, 'CREATE TABLE public."таблица"')
    }),
  LIMIT
)
