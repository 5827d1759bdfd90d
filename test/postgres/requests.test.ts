/**
 * What else is asked of the catalog: migrations, statistics, grants, extensions, dumps, probes.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { SchemaGrant } from "../../src/domain/catalog/Requests.ts"
import { Catalog } from "../../src/layers/catalog/Catalog.ts"
import { layerFailpoints } from "../../src/layers/compute/Failpoints.ts"
import { Metrics } from "../../src/layers/observe/Metrics.ts"
import { Sql, SqlFailed } from "../../src/layers/sql/Sql.ts"
import { fullPgbin, tempDir } from "../rig/postgres.ts"
import { type Cluster, database, role, specOf, startCluster, type Template, template, versions } from "./cluster.ts"

class From extends Context.Service<From, Template>()("test/Template") {}

const parts = { roles: [role("u")], dbs: [database("app", "u")] }
const applied = Effect.flatMap(Catalog, (catalog) => catalog.apply(specOf(parts), { phase: "start", concurrency: 4 }))

const grant = (role: string, privileges: SchemaGrant["privileges"], schema = "s") =>
  Effect.flatMap(Catalog, (catalog) => catalog.setRoleGrants({ database: "app", schema, privileges, role }))
const install = (extension: string, version: string, name = "app") =>
  Effect.flatMap(Catalog, (catalog) => catalog.installExtension({ database: name, extension, version }))

const dumped = (name: string) =>
  Effect.gen(function* () {
    const catalog = yield* Catalog
    const stream = yield* catalog.schemaDump(name)
    const chunks = yield* Stream.runCollect(stream)
    return Buffer.concat(chunks).toString()
  }).pipe(Effect.scoped)

/** Sessions whose scripts with this text fail. */
const refusing = (text: string, sqlstate: string) =>
  Layer.effect(
    Sql,
    Effect.map(Sql, (sql) => ({
      ...sql,
      session: (options) =>
        Effect.map(sql.session(options), (session) => ({
          ...session,
          script: (script: string) =>
            script.includes(text)
              ? new SqlFailed({ message: "over the limit", sqlstate, hint: null, detail: null })
              : session.script(script)
        }))
    }))
  )

const migrationId = (cluster: Cluster) => cluster.sql("postgres", "select id from neon_migration.migration_id")

for (const server of versions) {
  layer(Layer.effect(From, template(server)), { excludeTestServices: true })(`Postgres ${server.major}`, (it) => {
    it.effect("resumes migrations where one failed", () =>
      Effect.gen(function* () {
        const cluster = yield* startCluster(yield* From)
        const migrate = Effect.flatMap(Catalog, (catalog) => catalog.migrate(specOf(parts)))
        const failing = layerFailpoints({ COMPUTE_CTL_TESTING: "1", FAILPOINTS: "compute-migration=return(7)" })
        yield* Effect.gen(function* () {
          yield* applied
          const failed = yield* Effect.flip(migrate)
          assert.strictEqual(failed._tag, "MigrationFailed")
          const metrics = yield* Effect.flatMap(Metrics, ({ render }) => render)
          assert.match(metrics, /^compute_ctl_db_migration_failed_total\{migration_id="7"\} 1$/m)
        }).pipe(Effect.provide(Layer.merge(cluster.layer(), failing)))
        assert.strictEqual(yield* migrationId(cluster), "6")
        yield* cluster.sql(
          "postgres",
          "create role outsider bypassrls; create role member noinherit in role neon_superuser"
        )
        yield* Effect.provide(migrate, cluster.layer())
        assert.strictEqual(yield* migrationId(cluster), "12")
        assert.strictEqual(cluster.overrides.at(-1), "")
        const lifted = cluster.overrides.length
        yield* Effect.provide(migrate, cluster.layer())
        assert.strictEqual(cluster.overrides.length, lifted)
        // The second one is not among those that were left.
        const attributes =
          "select rolbypassrls, rolinherit from pg_roles where rolname in ('outsider', 'member') order by rolname"
        assert.strictEqual(yield* cluster.sql("postgres", attributes), "f|f\nt|t")
        const rights = [
          "select rolbypassrls from pg_roles where rolname = 'neon_superuser'",
          "select bool_and(admin_option) from pg_auth_members where member = 'neon_superuser'::regrole and roleid in ('pg_monitor'::regrole, 'pg_signal_backend'::regrole)",
          "select has_function_privilege('neon_superuser', 'pg_show_replication_origin_status()', 'execute')",
          `select ${server.major} < 16 or has_function_privilege('neon_superuser', 'pg_export_snapshot()', 'execute')`,
          `select proacl is null or ${server.major} >= 16 from pg_proc where proname = 'pg_export_snapshot'`
        ]
        for (const right of rights) assert.strictEqual(yield* cluster.sql("postgres", right), "t", right)
      })
    )

    it.effect("repairs attributes of roles", () =>
      Effect.gen(function* () {
        const cluster = yield* startCluster(yield* From)
        yield* Effect.gen(function* () {
          yield* applied
          yield* cluster.sql(
            "postgres",
            'create role "out$x$side" bypassrls; create role member noinherit in role neon_superuser'
          )
          yield* Effect.flatMap(Catalog, (catalog) => catalog.migrate(specOf(parts)))
        }).pipe(Effect.provide(cluster.layer()))
        const attributes =
          "select rolbypassrls, rolinherit from pg_roles where rolname in ('out$x$side', 'member') order by rolname"
        assert.strictEqual(yield* cluster.sql("postgres", attributes), "f|t\nf|t")
      })
    )

    it.effect("counts extensions over all databases, also when one cannot be entered", () =>
      Effect.gen(function* () {
        const cluster = yield* startCluster(yield* From)
        yield* Effect.gen(function* () {
          const catalog = yield* Catalog
          yield* catalog.apply(specOf({ ...parts, dbs: [database("app", "u"), database("other", "u")] }), {
            phase: "start",
            concurrency: 2
          })
          yield* cluster.sql("other", "alter extension plpgsql owner to u").pipe(Effect.sandbox, Effect.ignore)
          yield* cluster.sql("postgres", "drop database other")
          const plpgsql = { extname: "plpgsql", version: "1.0", n_databases: 3, owned_by_superuser: "1" }
          const neon = { extname: "neon", version: "1.0", n_databases: 1, owned_by_superuser: "1" }
          assert.sameDeepMembers([...(yield* catalog.installedExtensions)], [plpgsql, neon])
          const sample = 'compute_installed_extensions{extension_name="plpgsql",owned_by_superuser="1",version="1.0"} 3'
          assert.include(yield* Effect.flatMap(Metrics, ({ render }) => render), sample)

          yield* cluster.sql("app", "create extension hstore; set role u; create extension citext")
          yield* catalog.installedExtensions
          yield* cluster.sql("postgres", "checkpoint")
          const oid = yield* cluster.sql("postgres", "select oid from pg_database where datname = 'app'")
          fs.renameSync(`${cluster.data}/base/${oid}`, `${cluster.data}/base/${oid}.away`)
          const found = yield* catalog.installedExtensions
          fs.renameSync(`${cluster.data}/base/${oid}.away`, `${cluster.data}/base/${oid}`)
          const count = (name: string) => found.find(({ extname }) => extname === name)
          assert.deepStrictEqual(count("plpgsql"), plpgsql)
          assert.strictEqual(count("hstore")?.n_databases, 1)
          assert.strictEqual(count("citext")?.owned_by_superuser, "0")

          yield* cluster.sql("app", "drop extension hstore")
          yield* catalog.installedExtensions
          assert.notInclude(yield* Effect.flatMap(Metrics, ({ render }) => render), "hstore")
        }).pipe(Effect.provide(cluster.layer()))
      })
    )

    it.effect("grants what is missing only, installs what differs only", () =>
      Effect.gen(function* () {
        const cluster = yield* startCluster(yield* From)
        yield* Effect.gen(function* () {
          yield* applied
          yield* cluster.sql("app", "create schema s")
          yield* grant("u", ["USAGE"])
          yield* grant("u", ["CREATE", "USAGE"])
          const acl = "select array_to_string(nspacl, ' ') from pg_namespace where nspname = 's'"
          assert.include(yield* cluster.sql("app", acl), "u=UC/")
          yield* install("hstore", "1.7")
          const xid = "select pg_current_snapshot()"
          const before = yield* cluster.sql("app", xid)
          yield* grant("u", ["USAGE", "CREATE"])
          yield* install("hstore", "1.7")
          assert.strictEqual(yield* cluster.sql("app", xid), before)

          const refused = yield* Effect.flip(grant("u", ["SELECT"]))
          assert.match(
            refused.message,
            /^Failed to execute query: GRANT SELECT ON SCHEMA "s" TO "u": db error: ERROR: invalid privilege type SELECT/
          )
          assert.strictEqual((yield* Effect.flip(grant("u", ["USAGE"], 'no"pe'))).sqlstate, "3F000")
          const nowhere = yield* Effect.flip(install("x", "1", "nodb"))
          assert.match(
            nowhere.message,
            /^Failed to connect to the database: db error: FATAL: database "nodb" does not exist/
          )
          const unknown = yield* Effect.flip(install("nope", "1"))
          assert.match(
            unknown.message,
            /^Failed to execute query: CREATE EXTENSION IF NOT EXISTS "nope" WITH SCHEMA public VERSION "1": /
          )
        }).pipe(Effect.provide(cluster.layer()))
      })
    )

    it.effect("probes writes, shows objects and the slowest statements", () =>
      Effect.gen(function* () {
        const cluster = yield* startCluster(yield* From)
        yield* Effect.gen(function* () {
          const catalog = yield* Catalog
          const early = yield* Effect.flip(catalog.checkWritability)
          assert.match(early.message, /^db error: ERROR: relation "public.health_check" does not exist/)
          assert.strictEqual(yield* catalog.insights, '{"pg_stat_statements": []}')
          yield* applied
          yield* catalog.checkWritability
          yield* cluster.sql("postgres", "create extension pg_stat_statements")
          yield* cluster.sql("app", "select 1 as something_slow", "u")
          const { pg_stat_statements: rows }: { pg_stat_statements: Array<{ query: string }> } = JSON.parse(
            yield* catalog.insights
          )
          assert.ok(rows.some(({ query }) => query.includes("something_slow")))
          const facts = yield* catalog.facts
          assert.match(facts?.lsn ?? "", /^0\/[0-9A-F]+$/)
          assert.include(facts?.settings.map(({ name }) => name) ?? [], "port")
          const { roles, databases } = yield* catalog.objects
          assert.ok(roles.some(({ name }) => name === "u"))
          assert.deepStrictEqual(
            databases.find(({ name }) => name === "template0"),
            { name: "template0", owner: "cloud_admin", options: null, restrict_conn: true, invalid: false }
          )
        }).pipe(Effect.provide(cluster.layer()))
        // A full disk is the tenant's affair.
        yield* Effect.flatMap(Catalog, (catalog) => catalog.checkWritability).pipe(
          Effect.provide(cluster.layerOver(refusing("INSERT INTO public.health_check", "53100")))
        )
      })
    )

    it.effect("dumps a schema, and breaks off with pg_dump", () =>
      Effect.gen(function* () {
        const cluster = yield* startCluster(yield* From)
        const bin = yield* tempDir("dump-")
        const script = (text: string) =>
          fs.writeFileSync(path.join(bin, "pg_dump"), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
        yield* Effect.gen(function* () {
          yield* applied
          const catalog = yield* Catalog
          const missing = yield* Effect.flip(Effect.scoped(catalog.schemaDump("nonexistentdb")))
          assert.deepStrictEqual([missing._tag, missing.message], ["DatabaseMissing", "database does not exist"])
          assert.strictEqual((yield* Effect.flip(Effect.scoped(catalog.schemaDump(""))))._tag, "DumpFailed")

          script('echo "$PGDATABASE"; echo "$PGOPTIONS" | grep -o "default_transaction_read_only=off"')
          assert.strictEqual(yield* dumped("app"), "app\ndefault_transaction_read_only=off\n")
          script("echo half; echo 'it broke' >&2; exit 3")
          const late = yield* Effect.flip(dumped("app"))
          assert.match(late.message, /it broke/)
          script("echo 'at once' >&2; exit 1")
          const early = yield* Effect.flip(Effect.scoped(catalog.schemaDump("app")))
          assert.match(early.message, /at once/)
          fs.rmSync(path.join(bin, "pg_dump"))
          const absent = yield* Effect.flip(Effect.scoped(catalog.schemaDump("app")))
          assert.match(absent.message, /^failed to execute pg_dump: \/.*\/pg_dump is not there$/)

          script("echo $$ > $0.pid; echo begun; exec sleep 60")
          yield* Effect.scoped(Effect.flatMap(catalog.schemaDump("app"), (stream) => Stream.runHead(stream)))
          const pid = Number(fs.readFileSync(path.join(bin, "pg_dump.pid"), "utf8"))
          const isThere = () => {
            try {
              return process.kill(pid, 0)
            } catch {
              return false
            }
          }
          for (let tries = 0; isThere() && tries < 3000; tries++) yield* Effect.sleep("20 millis")
          assert.isFalse(isThere())
        }).pipe(Effect.provide(cluster.layer({ pgbin: path.join(bin, "postgres") })))
      })
    )

    if (fullPgbin !== undefined && server.pgbin === fullPgbin) {
      it.effect("dumps with the real pg_dump, whatever the name", () =>
        Effect.gen(function* () {
          const cluster = yield* startCluster(yield* From)
          yield* Effect.gen(function* () {
            const name = "dbname=x user='y' \"z\""
            yield* cluster.sql("postgres", `create database "${name.replaceAll('"', '""')}"`)
            yield* cluster.sql(name, "create table public.here (id int)")
            const text = yield* dumped(name)
            assert.match(text, /PostgreSQL database dump/)
            assert.match(text, /CREATE TABLE public.here/)
          }).pipe(Effect.provide(cluster.layer({ pgbin: server.pgbin })))
        })
      )
    }
  })
}
