/**
 * An apply whose sessions are ended wherever it has got to, again and again: the next one brings about all of it.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { database, role } from "../domain/catalog/parts.ts"
import { startCompute } from "../rig/compute.ts"
import { makeAuthExtension, startEmulator } from "../rig/emulator.ts"
import { servers } from "../rig/postgres.ts"
import { merge } from "../rig/spec.ts"

const LIMIT = 300_000

/** Milliseconds after which sessions are ended, of one life after the other. */
const MOMENTS = [
  [10, 150, 300, 450],
  [60, 200, 350, 20],
  [100, 250, 400, 500]
]

const END = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'compute_ctl:apply_config'"

for (const pgbin of servers.slice(0, 2)) {
  for (const args of [[], ["--lakebase-mode", "true", "--privileged-role-name", "neon_superuser"]]) {
    it.live(
      `an apply that is interrupted is brought to its end by the next ${args.slice(0, 1).join("")} with ${pgbin}`,
      () =>
        Effect.gen(function* () {
          const emulator = yield* startEmulator({ pgbin })
          yield* makeAuthExtension(emulator)
          const kept = { roles: [role("owner")], databases: [database("app", "owner")] }
          const compute = yield* startCompute({
            emulator,
            args,
            spec: { skip_pg_catalog_updates: false, cluster: kept }
          })
          yield* compute.waitFor("running")
          for (const [turn, moments] of MOMENTS.entries()) {
            const is = (name: string) => `${name}${turn}`
            yield* compute.sql(
              `create role ${is("doomed")} login in role neon_superuser; create role other${turn}; create role ${is("old")}`
            )
            yield* compute.sql(`create database ${is("before")} owner owner`)
            yield* compute.sql(`create database ${is("victim")} owner ${is("doomed")}`)
            for (const name of ["app", is("before"), "template1"]) {
              yield* compute.sql(
                `create table public.t${turn} (); alter table public.t${turn} owner to ${is("doomed")};
                 create table public.u${turn} (); grant select on public.u${turn} to ${is("doomed")} with grant option;
                 set role ${is("doomed")}; grant select on public.u${turn} to other${turn}`,
                { database: name }
              )
            }
            const made = [1, 2, 3].map((number) => database(`${is("made")}_${number}`, is("fresh")))
            const wanted = merge(compute.spec, {
              cluster: {
                roles: [...kept.roles, role(is("new")), role(is("fresh"))],
                databases: [...kept.databases, database(is("after"), is("fresh")), ...made]
              },
              delta_operations: [
                { action: "delete_role", name: is("doomed") },
                { action: "delete_db", name: is("victim") },
                { action: "rename_db", name: is("before"), new_name: is("after") },
                { action: "rename_role", name: is("old"), new_name: is("new") }
              ]
            })
            for (const moment of moments) {
              const running = yield* Effect.forkChild(compute.configure(wanted), { startImmediately: true })
              yield* Effect.sleep(moment)
              yield* compute.sql(END)
              yield* Fiber.join(running)
            }
            const whole = yield* compute.configure(wanted)
            assert.strictEqual(whole.status, 200, whole.body)
            const names = (of: string, column: string) =>
              compute.sql(
                `select string_agg(${column}, ' ' order by ${column}) from ${of} where ${column} ~ '^(after|before|doomed|fresh|made|new|old|other|victim)${turn}(_|$)'`
              )
            assert.strictEqual(yield* names("pg_roles", "rolname"), [is("fresh"), is("new"), is("other")].join(" "))
            assert.strictEqual(
              yield* names("pg_database", "datname"),
              [is("after"), ...made.map(({ name }) => name)].join(" ")
            )
            const unfinished = `select count(*) from pg_database
              where datname like 'made%' and (datconnlimit <> -1 or datacl::text not like '%neon_superuser%')`
            assert.strictEqual(yield* compute.sql(unfinished), "0")
          }
        }),
      LIMIT
    )
  }
}
