/**
 * What tenants have made under names that we read, write, call or give rights to.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defaultLsn, type Emulator } from "../../src/emulator/Emulator.ts"
import { database, role } from "../domain/catalog/parts.ts"
import { type Compute, type ComputeOptions, startCompute } from "../rig/compute.ts"
import { makeAuthExtension, startEmulator } from "../rig/emulator.ts"
import { servers } from "../rig/postgres.ts"
import { merge, type SpecJson, setting } from "../rig/spec.ts"
import { tenant } from "./tenants.ts"

const LIMIT = 300_000
const post = (path: string, body?: object) => ({ method: "POST", path, ...(body !== undefined && { body }) })

const cluster = {
  roles: [role("alice")],
  // Our own database is a tenant's.
  databases: [database("postgres", "alice"), database("app", "alice")]
}

/** Whoever runs it with a superuser's rights makes a superuser of the tenant. */
const CANARY = `
  create function public.canary() returns trigger language plpgsql as $$
  begin
    begin execute 'alter role alice superuser'; exception when others then null; end;
    return new;
  end $$;
  create function public.canary_value() returns int language plpgsql as $$
  begin
    begin execute 'alter role alice superuser'; exception when others then null; end;
    return 1;
  end $$;`

const still = (compute: Compute, where: string) =>
  Effect.gen(function* () {
    const gained = yield* compute.sql("select rolsuper from pg_roles where rolname = 'alice'")
    assert.strictEqual(gained, "f", where)
  })

const alice = (compute: Compute, text: string) => compute.sql(text, { user: "alice" })

const writes = (compute: Compute) =>
  Effect.gen(function* () {
    const answer = yield* compute.http(post("/check_writability"))
    assert.deepStrictEqual([answer.status, answer.body], [200, "true"])
  })

/** A second life of a timeline, with what was made in the first. */
const again = (emulator: Emulator, first: Compute, options: Omit<ComputeOptions, "emulator"> = {}) =>
  Effect.gen(function* () {
    yield* first.http(post("/terminate?mode=immediate"))
    yield* first.ended
    const { tenant_id: tenant, timeline_id: timeline } = emulator.addresses
    yield* emulator.keep({ tenant, timeline, pgdata: first.pgdata, lsn: defaultLsn })
    const compute = yield* startCompute({ emulator, ...options })
    yield* compute.waitFor("running")
    return compute
  })

for (const pgbin of servers) {
  const started = (spec: SpecJson, options: Omit<ComputeOptions, "emulator"> = {}) =>
    Effect.gen(function* () {
      const emulator = yield* startEmulator({ pgbin })
      yield* makeAuthExtension(emulator)
      const compute = yield* startCompute({ emulator, spec, ...options })
      yield* compute.waitFor("running")
      return { emulator, compute }
    })

  describe(`names of ours with ${pgbin}`, () => {
    for (const args of [[], ["--lakebase-mode", "true", "--privileged-role-name", "neon_superuser"]]) {
      const mode = args.length === 0 ? "" : ", in lakebase mode"

      it.live(
        `health_check is written only as long as nothing of others is attached to it${mode}`,
        () =>
          Effect.gen(function* () {
            const { compute } = yield* started({ cluster }, { args })
            yield* writes(compute)
            const acl = `select has_table_privilege('neon_superuser', 'public.health_check', 'trigger'),
              has_table_privilege('alice', 'public.health_check', 'trigger')`
            assert.strictEqual(yield* compute.sql(acl), "f|f")
            yield* alice(compute, CANARY)

            // As an older image has left it: default privileges gave the right, and a trigger came.
            yield* compute.sql("grant all on public.health_check to neon_superuser with grant option")
            yield* alice(
              compute,
              "create trigger evil before insert or update on public.health_check for each row execute function canary()"
            )
            yield* writes(compute)
            yield* still(compute, "trigger")
            assert.match(compute.log(), /table "public.health_check" is not ours: it has the trigger evil/)
            if (args.length > 0) {
              const probe = compute.sql("select public.health_check_write_succeeds()", { user: "databricks_monitor" })
              assert.match((yield* Effect.flip(probe)).message, /DATABRICKS_SMGR.*it has the trigger evil/)
            }
            const configured = yield* compute.configure(compute.spec)
            assert.strictEqual(configured.status, 200, configured.body)
            yield* still(compute, "trigger, apply")
            assert.strictEqual(yield* compute.sql(acl), "f|f")
            assert.strictEqual(yield* compute.sql("select count(*) from pg_trigger where tgname = 'evil'"), "0")
            const before = yield* compute.sql("select updated_at from public.health_check")
            yield* writes(compute)
            assert.notStrictEqual(yield* compute.sql("select updated_at from public.health_check"), before)

            // The owner of the schema may drop what is in it, and make something else of the name.
            const columns = "(id int primary key default canary_value(), updated_at timestamptz)"
            const theirs: Readonly<Record<string, string>> = {
              table: `create table health_check ${columns};
                create trigger t before insert on health_check for each row execute function canary();
                alter table health_check enable always trigger t`,
              "partitioned table": `create table health_check (id int primary key, updated_at timestamptz) partition by range (id);
                create table part partition of health_check default;
                create trigger t before insert on part for each row execute function canary()`,
              constraint:
                "create table health_check (id int primary key check (canary_value() = 1), updated_at timestamptz)",
              rule: `create table health_check ${columns};
                create rule r as on insert to health_check do also select canary_value()`,
              view: `create table base ${columns}; create view health_check as select * from base where canary_value() = 1;
                create function instead() returns trigger language plpgsql as 'begin return canary_value(); end';
                create trigger t instead of insert on health_check for each row execute function canary()`,
              "materialized view": "create materialized view health_check as select 1 as id",
              sequence: "create sequence health_check"
            }
            for (const [kind, text] of Object.entries(theirs)) {
              yield* compute.sql("drop table public.health_check").pipe(Effect.ignore)
              yield* alice(compute, text)
              yield* writes(compute)
              yield* still(compute, kind)
              const answer = yield* compute.configure(compute.spec)
              assert.strictEqual(answer.status, 200, `${kind}: ${answer.body}`)
              yield* still(compute, `${kind}, apply`)
              const apply = yield* compute.http({ path: "/apply" })
              assert.match(apply.body, /table \\"public.health_check\\" is not ours/, kind)
              const drop = kind.includes("table") || ["constraint", "rule"].includes(kind) ? "table" : kind
              yield* alice(
                compute,
                `drop ${kind === "materialized view" ? kind : drop.replace("partitioned ", "")} health_check; drop table if exists base; drop function if exists instead`
              )
            }
            // Nothing of the name, either.
            yield* writes(compute)
            assert.strictEqual((yield* compute.configure(compute.spec)).status, 200)
            yield* writes(compute)
            assert.strictEqual(
              yield* compute.sql("select tableowner from pg_tables where tablename = 'health_check'"),
              "cloud_admin"
            )
          }),
        LIMIT
      )

      it.live(
        `schema neon, its tables and functions, and the memory of migrations are not taken from a tenant${mode}`,
        () =>
          Effect.gen(function* () {
            const first = yield* started({ skip_pg_catalog_updates: true })
            yield* first.compute.sql("create role alice login createdb createrole")
            yield* first.compute.sql("alter database postgres owner to alice")
            yield* alice(first.compute, CANARY)
            yield* alice(
              first.compute,
              `create schema neon; create schema neon_migration;
               create table neon_migration.migration_id (key int primary key default canary_value(), id bigint);
               create table neon.drop_subscriptions_done (id int primary key default canary_value(), timeline_id text);
               create trigger t before insert or update on neon_migration.migration_id for each row execute function canary();
               create trigger t before insert or update on neon.drop_subscriptions_done for each row execute function canary();
               create view neon.neon_lfc_stats as select 'file_cache_hits'::text as lfc_key, canary_value()::bigint as lfc_value;
               create view neon.neon_perf_counters as select canary_value();
               create function neon.get_perf_counters() returns int language sql as 'select public.canary_value()';
               create function neon.approximate_working_set_size_seconds(int) returns int language sql as 'select public.canary_value()';
               create function neon.get_local_cache_state() returns bytea language sql as $$ select decode('00', 'hex') from (select public.canary_value()) x $$;
               create function neon.prewarm_local_cache(bytea) returns void language sql as 'select public.canary_value()';
               create function neon.get_prewarm_info(out a int, out b int, out c int, out d int) language sql as 'select public.canary_value(), 1, 1, 1';
               create view public.pg_stat_statements as select canary_value() as userid, 1 as mean_exec_time, 1 as mean_plan_time;
               create function public.health_check_write_succeeds() returns int language sql as 'select public.canary_value()'`
            )
            const { addresses } = first.emulator
            const compute = yield* again(first.emulator, first.compute, {
              args,
              settings: [setting("shared_preload_libraries", "pg_stat_statements")],
              env: { COMPUTE_CTL_TESTING: "1" },
              spec: {
                cluster,
                drop_subscriptions_before_start: true,
                endpoint_id: "ep-1",
                endpoint_storage_addr: addresses.endpoint_storage,
                endpoint_storage_token: "token"
              }
            })
            yield* compute.waitForLog(/Failed to run migrations: .*"neon_migration.migration_id" is not ours/)
            yield* compute.waitForLog(/Failed to update the neon extension: extension "neon" is not ours/)
            yield* still(compute, "start")
            const apply = yield* compute.http({ path: "/apply" })
            for (const name of ["neon.drop_subscriptions_done", "public.pg_stat_statements", "public.health_check"]) {
              assert.include(apply.body, `\\"${name}\\" is not ours`)
            }
            assert.strictEqual(
              (yield* compute.http({ path: "/insights" })).body,
              JSON.stringify('{"pg_stat_statements": []}')
            )
            yield* compute.http({ path: "/autoscaling_metrics" })
            yield* compute.http(post("/lfc/offload"))
            yield* compute.waitForLog(/"neon.get_local_cache_state" is not ours/)
            assert.strictEqual((yield* compute.configure(compute.spec)).status, 200)
            yield* compute.http(post("/check_writability"))
            yield* still(compute, "requests")
            if (args.length > 0) {
              const owner = "select proowner::regrole from pg_proc where proname = 'health_check_write_succeeds'"
              assert.strictEqual(yield* compute.sql(owner), "alice")
            }
          }),
        LIMIT
      )
    }

    it.live(
      "a schema public that changes its name meanwhile leads to no other table",
      () =>
        Effect.gen(function* () {
          const { compute } = yield* started({ cluster })
          yield* alice(compute, CANARY)
          yield* alice(
            compute,
            `create schema other; create table other.health_check (id int primary key default public.canary_value(), updated_at timestamptz);
             create trigger t before insert on other.health_check for each row execute function public.canary()`
          )
          const swap = (from: string, to: string, back: string) =>
            alice(
              compute,
              `alter schema ${from} rename to between; alter schema ${to} rename to ${from}; alter schema between rename to ${back}`
            )
          for (let turn = 0; turn < 40; turn++) {
            yield* Effect.all(
              [
                compute.http(post("/check_writability")),
                Effect.ignore(swap("public", "other", "other")),
                compute.http(post("/check_writability"))
              ],
              { concurrency: "unbounded" }
            )
          }
          yield* still(compute, "renames")
        }),
      LIMIT
    )

    it.live(
      "what a tenant has put where ours is to be made keeps no start from being up, nor lakebase from its extension",
      () =>
        Effect.gen(function* () {
          const first = yield* started({ skip_pg_catalog_updates: true })
          // As on clusters born on 14.
          yield* first.compute.sql("create role mallory login; grant create on schema public to public")
          yield* first.compute.sql(
            `create type public.health_check as enum ();
             create type public.pg_stat_statements as enum ();
             create function public.pg_stat_statements_reset() returns void language sql as '';
             create function public.pg_stat_statements_reset(oid, oid, bigint) returns void language sql as '';
             create function public.pg_stat_statements_reset(oid, oid, bigint, bool) returns timestamptz language sql as 'select now()'`,
            { user: "mallory" }
          )
          const compute = yield* again(first.emulator, first.compute, {
            args: ["--lakebase-mode", "true", "--privileged-role-name", "neon_superuser"],
            settings: [setting("shared_preload_libraries", "pg_stat_statements")],
            spec: { cluster: { roles: [role("alice")], databases: [database("app", "alice")] } }
          })
          const { failed_databases } = JSON.parse((yield* compute.http({ path: "/apply" })).body)
          const objects = failed_databases.map(({ object }: { object: string }) => object)
          assert.includeMembers(objects, ['extension "pg_stat_statements"', 'table "public.health_check"'])
          yield* writes(compute)
          yield* compute.sql("drop type public.health_check; drop type public.pg_stat_statements cascade")
          yield* compute.sql("drop owned by mallory")

          const holder = yield* tenant(compute, { user: "mallory", database: "postgres" })
          yield* Effect.promise(async () =>
            holder?.query("create temp view mine as select * from public.databricks_auth_metrics")
          )
          const answer = yield* compute.configure(compute.spec)
          assert.strictEqual(answer.status, 200, answer.body)
          yield* writes(compute)
        }),
      LIMIT
    )

    it.live(
      "a role of a name that we give rights to gets none from being called so",
      () =>
        Effect.gen(function* () {
          const mine = { roles: [role("alice")], databases: [database("app", "alice")] }
          const { emulator, compute } = yield* started({ cluster: mine })
          for (const name of ["web_access", "databricks_monitor", "boss"]) {
            yield* alice(compute, `create role ${name} login`)
          }
          const create = "select has_schema_privilege('web_access', 'public', 'create')"
          const app = { database: "app" }
          assert.strictEqual((yield* compute.configure(compute.spec)).status, 200)
          assert.strictEqual(yield* compute.sql(create, app), "f")
          const more = merge(compute.spec, { cluster: { databases: [...mine.databases, database("more", "alice")] } })
          assert.strictEqual((yield* compute.configure(more)).status, 200)
          assert.strictEqual(yield* compute.sql(create, { database: "more" }), "f")

          const lakebase = yield* again(emulator, compute, {
            args: ["--lakebase-mode", "true", "--privileged-role-name", "neon_superuser"],
            spec: { cluster: mine }
          })
          const monitor = `select pg_has_role('databricks_monitor', 'pg_monitor', 'member'),
            has_function_privilege('databricks_monitor', 'pg_ls_dir(text)', 'execute'),
            has_schema_privilege('databricks_monitor', 'neon', 'usage')`
          assert.strictEqual(yield* lakebase.sql(monitor), "f|f|f")
          assert.strictEqual(yield* lakebase.sql(create, app), "f")
          assert.match(lakebase.log(), /role "databricks_monitor" is not ours/)

          yield* lakebase.http(post("/terminate?mode=immediate"))
          yield* lakebase.ended
          const { tenant_id: tenant, timeline_id: timeline } = emulator.addresses
          yield* emulator.keep({ tenant, timeline, pgdata: lakebase.pgdata, lsn: defaultLsn })
          const refused = yield* startCompute({
            emulator,
            spec: { cluster: mine },
            args: ["--privileged-role-name", "boss"]
          })
          yield* refused.waitFor("failed")
          const status = yield* refused.http({ path: "/status" })
          assert.match(status.body, /role \\"boss\\" is not ours/)
          assert.strictEqual(
            yield* refused
              .sql("select pg_has_role('boss', 'pg_monitor', 'member')")
              .pipe(Effect.orElseSucceed(() => "f")),
            "f"
          )
        }),
      LIMIT
    )
  })
}
