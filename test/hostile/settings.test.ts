/**
 * Whatever the owner of a database gives its sessions, ours go well: each setting of each server that is at hand by itself,
 * then all of them at once on the built program.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { migrations } from "../../src/domain/catalog/plan/Migrations.ts"
import { dropSubscriptions } from "../../src/domain/catalog/plan/perDatabase.ts"
import { inspect, readSnapshot } from "../../src/layers/catalog/look/read.ts"
import { ComputeState } from "../../src/layers/compute/ComputeState.ts"
import { type ComputeOptions, Options } from "../../src/layers/compute/Options.ts"
import { Sql, type SqlSession } from "../../src/layers/sql/Sql.ts"
import { specOf } from "../domain/catalog/parts.ts"
import { throwAwayPostgres, versions } from "../layers/throwAwayPostgres.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { servers } from "../rig/postgres.ts"
import { merge, setting } from "../rig/spec.ts"
import { keep } from "./poisoned.ts"
import { clientOf, harmless, setAll, settings } from "./worstSettings.ts"

const LIMIT = 600_000

const spec = specOf({ ops: [{ action: "delete_role", name: "doomed" }] })

/** Sessions as the program opens them for a spec that says nothing about commits. */
const sessionsTo = (connstr: string, pgdata: string) =>
  Sql.layer.pipe(
    Layer.provide(
      Layer.merge(
        Layer.succeed(Options, { connstr, pgdata } as ComputeOptions),
        Layer.succeed(ComputeState, { get: Effect.succeed({ spec }) } as unknown as ComputeState["Service"])
      )
    )
  )

/** What a tenant has set and our session has taken over. */
const TAKEN = "SELECT name FROM pg_catalog.pg_settings WHERE source OPERATOR(pg_catalog.=) 'database'"

/** Of each kind of work something, with pauses in which a session is idle and a transaction open. */
const work = (session: SqlSession) =>
  Effect.gen(function* () {
    yield* readSnapshot(session, spec, { privilegedRole: "privileged", lakebase: false })
    yield* inspect(session, "privileged")
    yield* session.script(Redacted.value(dropSubscriptions("d").statement))
    const [, memberAttributes] = migrations("privileged")
    if (memberAttributes?.sql != null) yield* session.script(memberAttributes.sql)
    yield* session.script("BEGIN; CREATE ROLE passing; CREATE TABLE public.passing (at pg_catalog.timestamptz)")
    yield* Effect.sleep("3 millis")
    yield* session.script("DROP TABLE public.passing; DROP ROLE passing; COMMIT")
    yield* Effect.sleep("3 millis")
    const refused = yield* Effect.result(session.script("SELECT nosuch"))
    assert.strictEqual(refused._tag, "Failure")
    return (yield* session.query<{ name: string }>(TAKEN)).map(({ name }) => name)
  })

describe.each(versions)("settings of Postgres $version", ({ bin }) => {
  it.live(
    "that an owner gives a database hurt none of our sessions, and none is unheard of",
    () =>
      Effect.gen(function* () {
        const server = yield* throwAwayPostgres(bin)
        const sql = yield* Effect.provide(Sql, sessionsTo(server.connstr, server.data))
        // The first of a process, by which it learns what this minor version knows.
        const admin = yield* sql.session({ applicationName: "test" })
        yield* admin.script("CREATE ROLE tenant LOGIN; CREATE ROLE doomed; CREATE ROLE privileged")
        yield* admin.script("CREATE DATABASE d OWNER tenant")
        const unheard = new Set<string>()
        const tenant = yield* clientOf(server.port, "tenant")
        for (const { name, values } of yield* settings(tenant)) {
          for (const value of values) {
            if ((yield* setAll(tenant, "d", [[name, value]])).length === 0) continue
            const taken = yield* sql.session({ applicationName: "test", database: "d", maintenance: true }).pipe(
              Effect.flatMap(work),
              Effect.scoped,
              Effect.mapError((error) => new Error(`${name} = ${value}: ${error.message}`))
            )
            for (const each of taken) if (!harmless.has(each)) unheard.add(each)
            yield* admin.script("ALTER DATABASE d RESET ALL")
          }
        }
        assert.deepStrictEqual([...unheard], [])
      }),
    LIMIT
  )
})

const databases = ["postgres", "shop"].map((name) => ({ name, owner: "tenant", options: null }))
const roles = ["tenant", "fresh"].map((name) => ({ name, encrypted_password: null, options: null }))

const well = (status: number, compute: Compute, answer: { readonly status: number; readonly body: string }) =>
  assert.strictEqual(answer.status, status, `${answer.body}\n${compute.log().slice(-3000)}`)

/** A database that could not be entered fails neither a start nor a reconfiguration, but it is told here. */
const applied = (compute: Compute) =>
  Effect.map(compute.http({ path: "/apply" }), ({ body }) =>
    assert.deepInclude(JSON.parse(body), { state: "done", error: null, failed_databases: [] }, body)
  )

/** Each door once. */
const everything = (compute: Compute) =>
  Effect.gen(function* () {
    const internal = { method: "POST", server: "internal" } as const
    yield* applied(compute)
    yield* compute.waitForLog("[NEON_EXT_STAT]")
    for (const path of ["/plan", "/dbs_and_roles", "/insights", "/readyz", "/autoscaling_metrics"]) {
      well(200, compute, yield* compute.http({ path }))
    }
    well(200, compute, yield* compute.http({ method: "POST", path: "/check_writability" }))
    const grant = { database: "shop", schema: "public", privileges: ["USAGE", "CREATE"], role: "fresh" }
    well(201, compute, yield* compute.http({ ...internal, path: "/grants", body: grant }))
    const extension = { extension: "pg_stat_statements", database: "shop", version: "1.9" }
    well(201, compute, yield* compute.http({ ...internal, path: "/extensions", body: extension }))
    const more = [...databases, { name: "later", owner: "tenant", options: null }]
    const delta_operations = [{ action: "delete_role", name: "doomed" }]
    well(
      200,
      compute,
      yield* compute.configure(merge(compute.spec, { cluster: { databases: more }, delta_operations }))
    )
    yield* applied(compute)
    assert.notInclude(compute.log(), "are not known")
    assert.notInclude(compute.log(), "could not check Postgres")
  })

/** Sets everything in each of them that may be set. */
const worsen = (compute: Compute) =>
  Effect.gen(function* () {
    const tenant = yield* clientOf(compute.ports.postgres, "tenant")
    const worst = (yield* settings(tenant)).map(({ name, values }) => [name, values[0] ?? ""] as const)
    for (const { name } of databases) assert.isAbove((yield* setAll(tenant, name, worst)).length, 100)
  })

describe.each(servers.slice(0, 2))("a database with all of them at their worst, on %s", (pgbin) => {
  it.live(
    "is configured, started, planned for and looked at all the same",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator({ pgbin })
        const given = {
          emulator,
          spec: { skip_pg_catalog_updates: false, cluster: { roles, databases } },
          settings: [setting("shared_preload_libraries", "pg_stat_statements")],
          args: ["--autoscaling-metrics-from-sql"]
        }
        yield* Effect.scoped(
          Effect.gen(function* () {
            const compute = yield* startCompute(given)
            yield* compute.waitFor("running")
            yield* compute.waitForLog(/Finished migration id=12/)
            yield* compute.sql("create role doomed; grant all on schema public to doomed", { database: "shop" })
            yield* Effect.scoped(worsen(compute))
            yield* everything(compute)
            yield* compute.sql("create role doomed; grant connect on database shop to doomed", {
              database: "template1"
            })
            yield* keep(emulator, compute)
          })
        )
        const compute = yield* startCompute(given)
        yield* compute.waitFor("running")
        yield* everything(compute)
      }),
    LIMIT
  )
})
