/**
 * Applies on real clusters: hostile names and settings, repeated, interrupted and failing ones.
 */

import { execFileSync } from "node:child_process"
import { readFileSync, renameSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as fc from "fast-check"
import { stored } from "../../src/domain/catalog/Name.ts"
import { changes, planReport, planText } from "../../src/domain/catalog/plan/PlanReport.ts"
import { dollar, ident, literal } from "../../src/domain/postgres/Quote.ts"
import { Catalog } from "../../src/layers/catalog/Catalog.ts"
import { Sql } from "../../src/layers/sql/Sql.ts"
import { eventually } from "../rig/waits.ts"
import {
  type Cluster,
  database,
  look,
  role,
  SCRAM,
  type SpecParts,
  specOf,
  startCluster,
  type Template,
  TIMELINE,
  template,
  versions
} from "./cluster.ts"

const apply = (parts: SpecParts, phase: "start" | "reconfigure" = "reconfigure", concurrency = 4) =>
  Effect.flatMap(Catalog, (catalog) => catalog.apply(specOf(parts), { phase, concurrency }))

const pending = (parts: SpecParts) =>
  Effect.flatMap(Catalog, (catalog) => Effect.map(catalog.plan(specOf(parts)), planReport))

const hostile = [
  'quo"te',
  "apo'strophe",
  "back\\slash\\'",
  "$x$",
  "role$x$",
  "x",
  "xx$",
  "x".repeat(63),
  "tab\tand\nline",
  "per%20cent %s %I",
  "söme ünïcode 🐘",
  " leading and trailing ",
  "semi;colon; --",
  "a=b user=postgres",
  "\u0001\u007f",
  "e".repeat(70)
]

class From extends Context.Service<From, Template>()("test/Template") {}

for (const server of versions) {
  layer(Layer.effect(From, template(server)), { excludeTestServices: true })(`Postgres ${server.major}`, (it) => {
    /** A test on a cluster of its own. */
    const on = <E>(
      name: string,
      body: (cluster: Cluster) => Effect.Effect<void, E, Catalog | Sql>,
      settings: Readonly<Record<string, string>> = {}
    ) =>
      it.effect(name, () =>
        Effect.gen(function* () {
          const cluster = yield* startCluster(yield* From, settings)
          yield* Effect.provide(body(cluster), cluster.layer())
        })
      )

    on("quotes whatever a name holds", (cluster) =>
      Effect.gen(function* () {
        const session = yield* Effect.flatMap(Sql, (sql) => sql.session({ applicationName: "quoting" }))
        const character = fc.constantFrom(..."'\"\\$x;-/*%ab \t\n\u0001é🐘")
        const names = fc.sample(fc.string({ unit: character, minLength: 1, maxLength: 70 }), { numRuns: 200, seed: 7 })
        for (const name of [...hostile, ...names]) {
          const { quoted, outerTag } = dollar(name)
          const column = ident(name)
          const [row] = yield* session.query<Record<string, string>>(
            `SELECT ${literal(name)} AS one, ${quoted} AS two, (SELECT 1) AS ${column}`
          )
          assert.deepStrictEqual(
            row,
            { one: name, two: name, [stored(name)]: 1 } as unknown as Record<string, string>,
            JSON.stringify(name)
          )
          const block = `DO $${outerTag}$ BEGIN IF ${quoted} <> ${literal(name)} THEN RAISE 'differs'; END IF; END $${outerTag}$`
          yield* session.script(block)
        }
        assert.strictEqual(yield* cluster.sql("postgres", "select 1"), "1")
      }).pipe(Effect.scoped)
    )

    on("creates, keeps and drops roles and databases of any name", (cluster) =>
      Effect.gen(function* () {
        const roles = hostile.map((name) => role(name))
        const dbs = hostile.map((name) => database(name, name))
        yield* apply({ roles, dbs }, "start")
        const { roles: found, databases } = yield* Effect.flatMap(Catalog, (catalog) => catalog.objects)
        for (const name of hostile) {
          assert.ok(
            found.some((one) => one.name === stored(name) && one.encrypted_password === SCRAM),
            name
          )
          assert.ok(
            databases.some((one) => one.name === stored(name) && one.owner === stored(name)),
            name
          )
        }
        assert.strictEqual(changes(yield* pending({ roles, dbs })), 0)
        for (const name of hostile) yield* cluster.sql(stored(name), "create table public.t()", stored(name))
        const ops = hostile.flatMap((name) => [
          { action: "delete_db", name },
          { action: "delete_role", name }
        ])
        yield* apply({ ops })
        const left = yield* Effect.flatMap(Catalog, (catalog) => catalog.objects)
        for (const name of hostile) {
          assert.ok(!left.roles.some((one) => one.name === stored(name)), name)
          assert.ok(!left.databases.some((one) => one.name === stored(name)), name)
        }
      })
    )

    on("sets many verifiers as the server itself would", (cluster) =>
      Effect.gen(function* () {
        const names = Array.from({ length: 20 }, (_, index) => `r'"${index}`)
        const md5 = role("md5", "0123456789abcdef0123456789abcdef")
        yield* apply({ roles: [...names.map((name) => role(name)), md5] }, "start")
        const count = "select count(*) from pg_authid where rolpassword ="
        assert.strictEqual(yield* cluster.sql("postgres", `${count} '${SCRAM}'`), "20")
        assert.strictEqual(yield* cluster.sql("postgres", `${count} 'md50123456789abcdef0123456789abcdef'`), "1")
        const members = "select count(*) from pg_auth_members where roleid = 'neon_superuser'::regrole"
        assert.strictEqual(yield* cluster.sql("postgres", members), "21")
        const changed = names.map((name) => role(name, "0123456789abcdef0123456789abcdef"))
        yield* apply({ roles: changed })
        assert.strictEqual(yield* cluster.sql("postgres", `${count} '${SCRAM}'`), "0")
      })
    )

    on("is not stopped by settings that break sessions", (cluster) =>
      Effect.gen(function* () {
        const parts = { roles: [role("u"), role("v")], dbs: [database("app", "u")] }
        yield* apply(parts, "start")
        const settings = [
          "role = 'u'",
          "default_transaction_read_only = on",
          "statement_timeout = 1",
          "search_path = evil"
        ]
        for (const setting of settings) yield* cluster.sql("postgres", `alter database app set ${setting}`)
        yield* cluster.sql("postgres", "alter role cloud_admin set statement_timeout = 1")
        yield* cluster.sql("postgres", "alter database postgres set default_transaction_read_only = on")
        const report = yield* apply({ ...parts, dbs: [database("app", "v")], roles: [role("u", null), role("v")] })
        assert.strictEqual(report.state, "done")
        assert.strictEqual(
          yield* cluster.sql("postgres", "select pg_get_userbyid(datdba) from pg_database where datname='app'"),
          "v"
        )
      })
    )

    on("does not look again into what it has left right", (cluster) =>
      Effect.gen(function* () {
        const dbs = ["a", "b", "c"].map((name) => database(name, "u"))
        const parts = { roles: [role("u"), role("v")], dbs }
        const first = yield* apply(parts, "start")
        assert.strictEqual(first.databases_visited, 3)
        assert.deepStrictEqual(cluster.overrides, ["neon.max_cluster_size=-1", ""])
        const limit = "select current_setting('neon.max_cluster_size', true)"
        assert.notStrictEqual(yield* cluster.sql("postgres", limit), "-1", "the limit is still lifted")
        const again = yield* apply(parts)
        assert.deepStrictEqual([again.databases_visited, again.databases_settled, again.phases], [0, 3, []])
        assert.strictEqual(cluster.overrides.length, 2)
        const moved = yield* apply({ ...parts, dbs: [database("a", "v"), ...dbs.slice(1)] })
        assert.deepStrictEqual([moved.databases_visited, moved.databases_settled], [1, 2])
        yield* cluster.sql("postgres", "drop database b")
        const recreated = yield* apply(parts)
        assert.deepStrictEqual([recreated.databases_visited, recreated.databases_settled], [2, 1])
        const started = yield* apply(parts, "start")
        assert.deepStrictEqual([started.databases_visited, started.phases], [3, []])
      })
    )

    on("looks again into what it has left right: an ORM's reset makes schema public anew", (cluster) =>
      Effect.gen(function* () {
        const parts = { roles: [role("u")], dbs: ["a", "b", "c"].map((name) => database(name, "u")) }
        yield* apply(parts, "start")
        yield* cluster.sql("b", "drop schema public cascade; create schema public")
        yield* cluster.sql("c", "alter default privileges in schema public revoke all on tables from neon_superuser")
        const report = yield* apply(parts)
        assert.deepStrictEqual([report.databases_settled, report.databases_visited], [1, 2])
        for (const name of ["a", "b", "c"]) {
          assert.strictEqual(yield* cluster.sql(name, "select count(*) from pg_default_acl"), "2", name)
        }
        const owner = "select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'public'"
        assert.strictEqual(yield* cluster.sql("b", owner), "u")
        assert.deepStrictEqual((yield* apply(parts)).phases, [])
      })
    )

    on("drops what is left of inherited subscriptions, and keeps what was created since", (cluster) =>
      Effect.gen(function* () {
        const parts = { roles: [role("u")], dbs: ["a", "b"].map((name) => database(name, "u")) }
        yield* apply(parts, "start")
        const subscribe = (name: string, subscription: string) =>
          cluster.sql(
            name,
            `create subscription ${subscription} connection 'host=127.0.0.1 port=1' publication p with (connect=false)`
          )
        yield* subscribe("a", "inherited_a")
        yield* subscribe("b", "inherited_b")
        const oid = yield* cluster.sql("postgres", "checkpoint; select oid from pg_database where datname='b'")
        const files = `${cluster.data}/base/${oid.split("\n").at(-1)}`
        renameSync(files, `${files}.away`)
        const wanted = { ...parts, extra: { drop_subscriptions_before_start: true } }
        const catalog = yield* Catalog
        const partial = yield* catalog.apply(specOf(wanted), { phase: "start", concurrency: 2, forgiving: true })
        assert.deepStrictEqual(
          [partial.subscriptions_pending, partial.failed_databases.map((one) => one.database)],
          [true, ["b"]]
        )
        renameSync(`${files}.away`, files)
        yield* subscribe("a", "new_a")
        const whole = yield* apply(wanted)
        assert.strictEqual(whole.subscriptions_pending, false)
        const left = cluster.sql("postgres", "select string_agg(subname, ' ') from pg_subscription")
        assert.strictEqual(yield* left, "new_a")
      })
    )

    on("drops subscriptions of many databases one after the other: they do not wait for each other's lock", (cluster) =>
      Effect.gen(function* () {
        const names = Array.from({ length: 12 }, (_, index) => `d${index}`)
        const parts = { roles: [role("u")], dbs: names.map((name) => database(name, "u")) }
        yield* apply(parts, "start", 12)
        for (const name of names) {
          const text = (index: number) =>
            `create subscription ${name}_${index} connection 'host=127.0.0.1 port=1' publication p with (connect=false)`
          yield* cluster.sql(name, Array.from({ length: 3 }, (_, index) => text(index)).join("; "))
        }
        const waiting = { most: 0, watch: true }
        const sample = cluster.sql(
          "postgres",
          "select count(*) from pg_locks where not granted and relation = 'pg_subscription'::regclass"
        )
        const watch = yield* Effect.forkChild(
          Effect.gen(function* () {
            while (waiting.watch) waiting.most = Math.max(waiting.most, Number(yield* sample))
          })
        )
        const ops = names.map((name) => ({ action: "delete_db", name }))
        yield* apply({ roles: [role("u")], ops }, "reconfigure", 12)
        waiting.watch = false
        yield* Fiber.join(watch)
        assert.strictEqual(waiting.most, 0)
        assert.strictEqual(yield* cluster.sql("postgres", "select count(*) from pg_subscription"), "0")
      })
    )

    on("drops a role that has something everywhere", (cluster) =>
      Effect.gen(function* () {
        const roles = [role("owner"), role("doomed"), role("other")]
        const dbs = [database("one", "owner"), database("two", "owner"), database("theirs", "doomed")]
        yield* apply({ roles, dbs }, "start")
        for (const name of ["one", "two", "postgres"]) {
          yield* cluster.sql(
            name,
            [
              "create table public.of_admin (id int)",
              "create schema s authorization doomed",
              "set role doomed",
              "create table s.t (id int)",
              "create function s.f() returns int language sql as 'select 1'",
              "create type s.mood as enum ('ok')",
              "grant select on s.t to other",
              "alter default privileges grant select on tables to other",
              "reset role",
              "alter default privileges grant select on tables to doomed",
              "set role neon_superuser",
              "reset role",
              "grant all on public.of_admin to neon_superuser with grant option",
              "set role neon_superuser",
              "grant select on public.of_admin to doomed",
              "reset role",
              "grant create on schema public to doomed"
            ].join("; ")
          )
        }
        yield* cluster.sql("postgres", "grant connect on database two to doomed")
        const ops = [{ action: "delete_role", name: "doomed" }]
        const without = {
          roles: [role("owner"), role("other")],
          dbs: [database("one", "owner"), database("two", "owner")]
        }
        const report = yield* apply({ ...without, dbs: [...without.dbs, database("theirs", "owner")], ops })
        assert.strictEqual(report.state, "done")
        assert.strictEqual(yield* cluster.sql("postgres", "select count(*) from pg_roles where rolname='doomed'"), "0")
        const ownerOf = (name: string) => cluster.sql(name, "select tableowner from pg_tables where schemaname='s'")
        assert.deepStrictEqual([yield* ownerOf("one"), yield* ownerOf("postgres")], ["owner", "neon_superuser"])
        const replayed = yield* apply({ ...without, ops })
        assert.deepStrictEqual(replayed.phases, [])
      })
    )

    on("drops a role although schema public is gone", (cluster) =>
      Effect.gen(function* () {
        const parts = { roles: [role("u"), role("doomed")], dbs: [database("app", "u")] }
        yield* apply(parts, "start")
        yield* cluster.sql(
          "app",
          "create schema s; create table s.t(); grant select on s.t to doomed; drop schema public"
        )
        yield* apply({ ...parts, roles: [role("u")], ops: [{ action: "delete_role", name: "doomed" }] })
        assert.strictEqual(yield* cluster.sql("postgres", "select count(*) from pg_roles where rolname='doomed'"), "0")
      })
    )

    on("gives every object its result when some fail", (cluster) =>
      Effect.gen(function* () {
        const parts = { roles: [role("first"), role("pg_reserved"), role("last")], dbs: [database("app", "first")] }
        const failed = yield* Effect.flip(apply(parts, "start"))
        assert.strictEqual(failed._tag, "ApplyFailed")
        assert.deepStrictEqual([failed.sqlstate, failed.object], ["42939", 'role "pg_reserved"'])
        assert.match(failed.message, /^db error: ERROR: role name "pg_reserved" is reserved/)
        const report = yield* Effect.flatMap(Catalog, (catalog) => catalog.lastApply)
        const state = (object: string) =>
          report?.phases.flatMap(({ steps }) => steps).find((step) => step.object === object)?.state
        assert.deepStrictEqual(['role "first"', 'role "pg_reserved"', 'role "last"', 'database "app"'].map(state), [
          "done",
          "failed",
          "done",
          "done"
        ])
        assert.strictEqual(report?.state, "failed")
        assert.ok(!JSON.stringify(report).includes("SCRAM-SHA-256$"))
        assert.strictEqual(cluster.overrides.at(-1), "")
        const found = yield* cluster.sql(
          "postgres",
          "select rolname from pg_roles where rolname in ('first','last') order by 1"
        )
        assert.strictEqual(found, "first\nlast")
      })
    )

    on("grants what it created when another database cannot be", (cluster) =>
      Effect.gen(function* () {
        const dbs = [database("a", "u"), database("orphan", "ghost"), database("b", "u")]
        const failed = yield* Effect.flip(apply({ roles: [role("u")], dbs }, "start"))
        assert.deepStrictEqual([failed.object, failed.failures.length], ['database "orphan"', 1])
        const granted =
          "select datname, datconnlimit, datacl::text from pg_database where datname in ('a','b') order by 1"
        const acl = "{=Tc/u,u=CTc/u,neon_superuser=CTc/u}"
        assert.strictEqual(yield* cluster.sql("postgres", granted), `a|-1|${acl}\nb|-1|${acl}`)
      })
    )

    on("finishes independent databases when one fails", (cluster) =>
      Effect.gen(function* () {
        const parts = { roles: [role("u")], dbs: ["a", "b", "c"].map((name) => database(name, "u")) }
        yield* apply(parts, "start")
        yield* cluster.sql("a", "alter default privileges in schema public revoke all on tables from neon_superuser")
        // A database whose files are gone cannot be entered; first nothing of it may be left to be written.
        yield* cluster.sql("postgres", "checkpoint")
        const oid = yield* cluster.sql("postgres", "select oid from pg_database where datname='b'")
        renameSync(`${cluster.data}/base/${oid}`, `${cluster.data}/base/${oid}.away`)
        const failed = yield* Effect.flip(apply(parts, "start", 1))
        assert.strictEqual(failed.object, 'database "b"')
        renameSync(`${cluster.data}/base/${oid}.away`, `${cluster.data}/base/${oid}`)
        const granted = yield* cluster.sql("a", "select count(*) from pg_default_acl")
        assert.strictEqual(granted, "2")
        assert.strictEqual((yield* apply(parts, "start")).state, "done")
      })
    )

    on("stops what it runs in the server when it is interrupted", (cluster) =>
      Effect.gen(function* () {
        const blocker = yield* Effect.flatMap(Sql, (sql) => sql.session({ applicationName: "blocker" }))
        yield* blocker.script("begin; lock table pg_authid in access exclusive mode")
        const fiber = yield* Effect.forkChild(apply({ roles: [role("u")] }, "start"))
        yield* Effect.sleep("300 millis")
        // The lock is held until afterwards.
        yield* Fiber.interrupt(fiber)
        yield* blocker.script("rollback")
        const ours = "select count(*) from pg_stat_activity where application_name like 'compute_ctl:%'"
        assert.strictEqual(yield* cluster.sql("postgres", ours), "0")
        const report = yield* Effect.flatMap(Catalog, (catalog) => catalog.lastApply)
        assert.strictEqual(report?.state, "interrupted")
        assert.strictEqual((yield* apply({ roles: [role("u")] }, "start")).state, "done")
      }).pipe(Effect.scoped)
    )

    on("replays operations without harm, also on templates and databases that are shut", (cluster) =>
      Effect.gen(function* () {
        const roles = [role("u")]
        yield* apply({ roles, dbs: ["a", "b", "shut"].map((name) => database(name, "u")) }, "start")
        yield* Effect.flatMap(Catalog, (catalog) => catalog.migrate(specOf({})))
        yield* cluster.sql("postgres", "alter database a is_template true; alter database a allow_connections false")
        yield* cluster.sql("postgres", "alter database shut allow_connections false")
        const ops = [
          { action: "delete_db", name: "a" },
          { action: "rename_db", name: "b", new_name: "c" },
          { action: "delete_db", name: "never" },
          { action: "rename_role", name: "u", new_name: "w" },
          { action: "dance", name: "x" }
        ]
        const after = { roles: [role("w")], dbs: [database("c", "w"), database("shut", "w")], ops }
        const report = yield* apply(after)
        assert.deepStrictEqual(report.warnings, ['database "shut" does not accept connections: skipped'])
        const seen = yield* look(cluster)
        assert.match(String(seen["databases"]), /^c\|w\|t/)
        const replayed = yield* apply(after)
        assert.deepStrictEqual(replayed.phases, [])
        assert.deepStrictEqual(yield* look(cluster), seen)
      })
    )

    on("drops inherited subscriptions of many databases without a deadlock, once", (cluster) =>
      Effect.gen(function* () {
        const names = ["a", "b", "c", 'd"$x$']
        const parts = { roles: [role("u")], dbs: names.map((name) => database(name, "u")) }
        yield* apply(parts, "start")
        const subscribe = (name: string) =>
          cluster.sql(
            name,
            "create subscription s connection 'host=127.0.0.1 port=1 dbname=x' publication p with (connect=false)"
          )
        for (const name of names) yield* subscribe(name)
        const extra = { drop_subscriptions_before_start: true }
        yield* apply({ ...parts, extra }, "start", 5)
        const count = cluster.sql("postgres", "select count(*) from pg_subscription")
        assert.strictEqual(yield* count, "0")
        const done = "select id, timeline_id from neon.drop_subscriptions_done"
        assert.strictEqual(yield* cluster.sql("postgres", done), `1|${TIMELINE}`)
        yield* subscribe("a")
        yield* apply({ ...parts, extra }, "start", 5)
        assert.strictEqual(yield* count, "1")
        // A deletion does not wait for the publisher either.
        yield* apply({ ...parts, dbs: parts.dbs.slice(1), ops: [{ action: "delete_db", name: "a" }] })
        assert.strictEqual(yield* count, "0")
      })
    )

    on("plans what it would do, and nothing after it was done", (cluster) =>
      Effect.gen(function* () {
        const parts = { roles: [role("u"), role("web_access")], dbs: [database("app", "u")] }
        const text = planText(yield* pending(parts))
        assert.match(text, /database "app": missing/)
        assert.ok(!text.includes("SCRAM-SHA-256$"))
        assert.strictEqual(yield* cluster.sql("postgres", "select count(*) from pg_roles where rolname='u'"), "0")
        yield* apply(parts, "start")
        assert.strictEqual(changes(yield* pending(parts)), 0)
        yield* cluster.sql("app", "revoke create on schema public from web_access")
        const { phases } = yield* Effect.flatMap(Catalog, (catalog) => catalog.plan(specOf(parts)))
        const step = phases[0]?.databases[0]?.steps[0]
        // Before 15 everybody creates in it.
        assert.strictEqual(step?.sql, cluster.major < 15 ? undefined : "GRANT CREATE ON SCHEMA public TO web_access")
      })
    )

    on(
      "works on many databases with few connections",
      (cluster) =>
        Effect.gen(function* () {
          const dbs = Array.from({ length: 25 }, (_, index) => database(`d${index}`, "u"))
          const report = yield* apply({ roles: [role("u")], dbs }, "start", 5)
          assert.strictEqual(report.databases_visited, 25)
          assert.strictEqual(
            yield* cluster.sql("postgres", "select count(*) from pg_database where datname ~ '^d'"),
            "25"
          )
        }),
      { max_connections: "8", superuser_reserved_connections: "3", max_wal_senders: "0" }
    )

    it.effect("has what a lakebase compute has on top", () =>
      Effect.gen(function* () {
        const from = yield* From
        const share = execFileSync(path.join(from.bin, "pg_config"), ["--sharedir"], { encoding: "utf8" }).trim()
        const extension = path.join(share, "extension")
        writeFileSync(path.join(extension, "databricks_auth.control"), "default_version = '1.0'\nrelocatable = true\n")
        writeFileSync(
          path.join(extension, "databricks_auth--1.0.sql"),
          "create view databricks_auth_metrics as select 1 as n;"
        )
        const cluster = yield* startCluster(from, { "databricks.reader_statement_timeout": "30s" })
        yield* Effect.gen(function* () {
          yield* cluster.sql("postgres", "create role databricks_reader_1; create role databricks_reader_x")
          yield* apply({ roles: [role("u")], dbs: [database("app", "u")] }, "start")
          yield* apply({ roles: [role("u")], dbs: [database("app", "u")] })
        }).pipe(Effect.provide(cluster.layer({ lakebaseMode: true, privilegedRole: "databricks_superuser" })))
        const settings = "select setrole::regrole, setconfig::text from pg_db_role_setting order by 1"
        assert.strictEqual(
          (yield* cluster.sql("postgres", settings)).split("\n").sort().join(" "),
          "databricks_monitor|{statement_timeout=60s} databricks_reader_1|{statement_timeout=30s}"
        )
        assert.strictEqual(yield* cluster.sql("postgres", "select public.health_check_write_succeeds()"), "1")
        const privileged = "select rolreplication from pg_roles where rolname = 'databricks_superuser'"
        assert.strictEqual(yield* cluster.sql("postgres", privileged), "f")
        yield* cluster.sql("postgres", "drop table public.health_check")
        const broken =
          "do $$ begin perform public.health_check_write_succeeds(); exception when others then raise notice '%', sqlerrm; if sqlerrm not like '[DATABRICKS_SMGR] health_check failed: [42P01] %' then raise; end if; end $$"
        yield* cluster.sql("postgres", broken)
      })
    )

    it.effect("keeps verifiers out of the log of Postgres", () =>
      Effect.gen(function* () {
        const cluster = yield* startCluster(yield* From, {
          logging_collector: "on",
          log_directory: "log",
          log_filename: "all.log",
          log_min_messages: "warning",
          log_statement: "all",
          log_min_duration_statement: "0"
        })
        const roles = [...Array.from({ length: 20 }, (_, index) => role(`r${index}`)), role("pg_no")]
        yield* Effect.provide(Effect.flip(apply({ roles }, "start")), cluster.layer())
        yield* cluster.sql("postgres", "select 'seen'")
        const read = Effect.sync(() => readFileSync(path.join(cluster.data, "log/all.log"), "utf8"))
        const log = yield* eventually("the last line", read, (text) => text.includes("select 'seen'"))
        assert.include(log, 'role name "pg_no" is reserved')
        assert.notInclude(log, "SCRAM-SHA-256$")
      })
    )

    on("completes a database whose creation was cut off before its grants", (cluster) =>
      Effect.gen(function* () {
        const parts = { roles: [role("u")], dbs: [database("app", "u")] }
        yield* apply({ roles: parts.roles }, "start")
        yield* cluster.sql("postgres", "create database app owner u connection limit 2147483646")
        yield* apply(parts)
        const found = yield* cluster.sql(
          "postgres",
          "select datconnlimit, datacl::text from pg_database where datname='app'"
        )
        assert.strictEqual(found, "-1|{=Tc/u,u=CTc/u,neon_superuser=CTc/u}")
      })
    )

    on("creates cloud_admin on a cluster of zenith_admin", (cluster) =>
      Effect.gen(function* () {
        yield* cluster.sql("postgres", "create role helper superuser login")
        yield* cluster.sql("postgres", "alter role cloud_admin rename to zenith_admin", "helper")
        yield* apply({ roles: [role("u")], dbs: [database("app", "u")] }, "start")
        const found = yield* cluster.sql(
          "postgres",
          "select rolsuper, pg_has_role('cloud_admin','zenith_admin','member') from pg_roles where rolname='cloud_admin'"
        )
        assert.strictEqual(found, "t|t")
      })
    )
  })
}
