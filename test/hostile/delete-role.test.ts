/**
 * A role that is to be deleted, with all that it may own, have been given and have given on, in every database of the
 * server.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Sql } from "../../src/layers/sql/Sql.ts"
import { database, role } from "../domain/catalog/parts.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { makeAuthExtension, startEmulator } from "../rig/emulator.ts"
import { servers } from "../rig/postgres.ts"
import { merge, type Setting, type SpecJson, setting } from "../rig/spec.ts"
import { tenant } from "./tenants.ts"

const LIMIT = 300_000

/** What `GRANT ... ON` takes, of each kind of object, all of a superuser. */
const KINDS = [
  "all on table s.t",
  "all on table s.v",
  "select (c), update (c) on table s.t",
  "all on sequence s.q",
  "execute on function s.f(types.mood, types.mood[])",
  "execute on procedure s.p",
  "execute on function s.agg(int)",
  "usage on type types.mood",
  "usage on domain s.dom",
  "all on schema s",
  "all on database app",
  "usage on language plpgsql",
  "all on large object 777",
  "usage on foreign data wrapper fdw",
  "usage on foreign server srv",
  "create on tablespace pg_default"
]
const PARAMETERS = ["set, alter system on parameter work_mem", 'set on parameter "app.setting"']

/** From a superuser to `lender`, from there to `doomed`, from there to `other`; the lender has no right on the schemas. */
const lent = (what: string) => `
  grant ${what} to lender with grant option;
  grant usage on schema s, types to lender, doomed, other;
  set role lender; grant ${what} to doomed with grant option; reset role;
  set role doomed; grant ${what} to other with grant option; reset role;
  set role other; grant ${what} to third; reset role;
  grant ${what} to doomed with grant option;
  revoke usage on schema s, types from lender cascade;`

const objects = `
  create schema s; create schema types; create type types.mood as enum ('ok');
  create table s.t (id int, c int); create view s.v as select 1 as x; create sequence s.q; create domain s.dom as int;
  create function s.f(types.mood, types.mood[]) returns int language sql as 'select 1';
  create procedure s.p(inout x int) language sql as 'select 1';
  create aggregate s.agg(int) (sfunc = int4pl, stype = int, initcond = '0');
  create foreign data wrapper fdw; create server srv foreign data wrapper fdw;
  select lo_create(777);`

/** What is its own, and what is not an object's privilege. */
const owned = `
  create schema dooms authorization doomed;
  set role doomed;
  create table dooms.t (id int primary key); create view dooms.v as select * from dooms.t; create sequence dooms.q;
  create function dooms.f() returns int security definer language sql as 'select 1';
  create type dooms.mood as enum ('ok'); create domain dooms.dom as int;
  create text search configuration dooms.words (copy = simple); create collation dooms.c from "C";
  grant select on dooms.t to other;
  reset role;
  select lo_create(888); alter large object 888 owner to doomed;
  alter default privileges for role doomed grant select on tables to other;
  alter default privileges grant select on tables to doomed;
  create extension citext schema dooms; create publication pub; alter publication pub owner to doomed;
  create policy only_doomed on s.t to doomed; create policy two on s.t to doomed, other;
  create user mapping for doomed server srv;`

const members = `
  grant pg_monitor to doomed with admin option;
  set role doomed; grant pg_monitor to other; create role child; grant child to third; reset role;`

const count = (compute: Compute) => compute.sql("select count(*) from pg_roles where rolname ~ '^doomed'")

const deleting = (spec: SpecJson, ...names: ReadonlyArray<string>) =>
  merge(spec, { delta_operations: names.map((name) => ({ action: "delete_role", name })) })

for (const pgbin of servers) {
  const started = (args: ReadonlyArray<string> = [], settings: ReadonlyArray<Setting> = []) =>
    Effect.gen(function* () {
      const emulator = yield* startEmulator({ pgbin })
      yield* makeAuthExtension(emulator)
      const compute = yield* startCompute({
        emulator,
        args,
        settings,
        spec: { cluster: { roles: [role("owner")], databases: [database("app", "owner"), database("more", "owner")] } }
      })
      yield* compute.waitFor("running")
      // They change roles in the background, and of two who change one at once Postgres refuses one.
      yield* compute.waitForLog("Finished migration id=12")
      yield* compute.sql(
        "create role doomed login createrole createdb in role neon_superuser; create role other; create role lender; create role third"
      )
      return compute
    })

  describe(`delete_role with ${pgbin}`, () => {
    for (const lakebase of [false, true]) {
      it.live(
        `ends whatever the role was given with grant option and gave on${lakebase ? ", in lakebase mode" : ""}`,
        () =>
          Effect.gen(function* () {
            const compute = yield* started(
              lakebase ? ["--lakebase-mode", "true", "--privileged-role-name", "neon_superuser"] : []
            )
            const major = Number(yield* compute.sql("select current_setting('server_version_num')::int / 10000"))
            yield* compute.sql(objects, { database: "app" })
            const kinds = major >= 15 ? [...KINDS, ...PARAMETERS] : KINDS
            for (const kind of kinds) yield* compute.sql(lent(kind), { database: "app" })
            yield* compute.sql(owned + members, { database: "app" })
            const answer = yield* compute.configure(deleting(compute.spec, "doomed"))
            assert.strictEqual(answer.status, 200, answer.body)
            assert.strictEqual(yield* count(compute), "0")
            const app = { database: "app" }
            // The lender keeps what it has, and no more.
            const kept =
              "select has_table_privilege('lender', 's.t', 'select with grant option'), has_schema_privilege('lender', 's', 'usage')"
            assert.strictEqual(yield* compute.sql(kept, app), "t|f")
            assert.strictEqual(yield* compute.sql("select has_table_privilege('third', 's.t', 'select')", app), "f")
            const owner = "select distinct relowner::regrole from pg_class where relnamespace = 'dooms'::regnamespace"
            assert.strictEqual(yield* compute.sql(owner, app), "owner")
            // Once more, as a control plane that has not heard of the success would.
            assert.strictEqual((yield* compute.configure(deleting(compute.spec, "doomed"))).status, 200)
          }),
        LIMIT
      )
    }

    it.live(
      "goes on where an interrupted one has ended",
      () =>
        Effect.gen(function* () {
          const compute = yield* started()
          const app = { database: "app" }
          yield* compute.sql(objects + lent("all on table s.t") + owned, app)
          yield* compute.sql("reassign owned by doomed to owner", app)
          yield* compute.sql("drop owned by doomed", app)
          assert.strictEqual((yield* compute.configure(deleting(compute.spec, "doomed"))).status, 200)
          assert.strictEqual(yield* count(compute), "0")
        }),
      LIMIT
    )

    it.live(
      "removes what the role has in databases that the spec does not list",
      () =>
        Effect.gen(function* () {
          const compute = yield* started()
          yield* compute.sql("create database mine", { user: "doomed" })
          yield* compute.sql("create database others owner other")
          const names = ["template1", "postgres", "mine", "others", "app", "more"]
          for (const name of names) {
            yield* compute.sql(
              `create schema dooms authorization doomed; set role doomed; create table dooms.t (id int);
               create function dooms.f() returns int security definer language sql as 'select 1'; reset role;
               create table public.given (id int); grant select on public.given to doomed`,
              { database: name }
            )
          }
          const answer = yield* compute.configure(deleting(compute.spec, "doomed"))
          assert.strictEqual(answer.status, 200, answer.body)
          assert.strictEqual(yield* count(compute), "0")
          // Nothing that a tenant has written becomes a superuser's.
          for (const name of names) {
            const heirs = `select distinct proowner::regrole, (select rolsuper from pg_roles where oid = proowner)
              from pg_proc where pronamespace = 'dooms'::regnamespace`
            const heir = { others: "other", app: "owner", more: "owner" }[name] ?? "neon_superuser"
            assert.strictEqual(yield* compute.sql(heirs, { database: name }), `${heir}|f`, name)
          }
          assert.strictEqual(
            yield* compute.sql("select datdba::regrole from pg_database where datname = 'mine'"),
            "cloud_admin"
          )
        }),
      LIMIT
    )

    it.live(
      "names a database that it cannot enter, and drops the other roles",
      () =>
        Effect.gen(function* () {
          const compute = yield* started()
          yield* compute.sql("create role doomed_too")
          yield* compute.sql("create database shut owner other")
          yield* compute.sql("create table public.t (id int); alter table public.t owner to doomed", {
            database: "shut"
          })
          yield* compute.sql("alter database shut allow_connections false")
          const answer = yield* compute.configure(deleting(compute.spec, "doomed", "doomed_too"))
          assert.strictEqual(answer.status, 500)
          assert.match(answer.body, /role \\+"doomed\\+" has objects or privileges in database \\+"shut\\+"/)
          assert.strictEqual(yield* count(compute), "1")
          yield* compute.sql("alter database shut allow_connections true")
          assert.strictEqual((yield* compute.configure(deleting(compute.spec, "doomed", "doomed_too"))).status, 200)
          assert.strictEqual(yield* count(compute), "0")
        }),
      LIMIT
    )

    it.live(
      "passes on what superusers alone may own, and makes nobody one",
      () =>
        Effect.gen(function* () {
          const compute = yield* started()
          const app = { database: "app" }
          yield* compute.sql(
            `alter role doomed superuser; set role doomed;
             create foreign data wrapper theirs; create table public.data as select 1 as id;
             create function public.tell() returns event_trigger language plpgsql as 'begin end';
             create event trigger tell on ddl_command_start execute function public.tell();
             create subscription s connection 'host=127.0.0.1 port=1 password=p' publication p with (connect = false);
             reset role; alter role doomed nosuperuser`,
            app
          )
          const answer = yield* compute.configure(deleting(compute.spec, "doomed"))
          assert.strictEqual(answer.status, 200, answer.body)
          const owners = `select evtowner::regrole from pg_event_trigger union all
            select fdwowner::regrole from pg_foreign_data_wrapper where fdwname = 'theirs' union all
            select subowner::regrole from pg_subscription union all
            select relowner::regrole from pg_class where relname = 'data'`
          assert.strictEqual(yield* compute.sql(owners, app), "owner\nowner\nneon_superuser\nowner")
          assert.strictEqual(
            yield* compute.sql("select bool_or(rolsuper) from pg_roles where rolname in ('owner', 'neon_superuser')"),
            "f"
          )
          assert.strictEqual(yield* compute.sql("select id from public.data", app), "1")
        }),
      LIMIT
    )

    it.live(
      "does not wait for the role's own sessions",
      () =>
        Effect.gen(function* () {
          const compute = yield* started()
          const app = { database: "app" }
          yield* compute.sql("create table public.held (id int); alter table public.held owner to doomed", app)
          const reader = yield* tenant(compute, { user: "doomed" })
          yield* Effect.promise(async () => reader?.query("begin; lock table public.held in access share mode"))
          const maker = yield* tenant(compute, { user: "doomed", database: "postgres" })
          yield* Effect.promise(async () => maker?.query("begin; create role passing"))
          const answer = yield* compute.configure(deleting(compute.spec, "doomed"))
          assert.strictEqual(answer.status, 200, answer.body)
          assert.strictEqual(yield* count(compute), "0")
          assert.match(compute.log(), /ended 2 sessions of role "doomed", which is to be deleted/)
        }),
      LIMIT
    )

    it.live(
      "ends where the giver is a superuser by now, and where there is more than the server has locks for",
      () =>
        Effect.gen(function* () {
          const compute = yield* started([], [setting("max_connections", "20", "integer")])
          const app = { database: "app" }
          yield* compute.sql(
            `create table public.t (id int); grant select on public.t to lender with grant option;
             set role lender; grant select on public.t to doomed with grant option;
             set role doomed; grant select on public.t to other, public; reset role; alter role lender superuser;
             create role member in role neon_superuser; create table public.u (id int, c int);
             grant select, insert (c) on public.u to member with grant option;
             set role member; grant select, insert (c) on public.u to doomed with grant option;
             set role doomed; grant select, insert (c) on public.u to other; reset role;
             revoke grant option for select, insert (c) on public.u from member cascade`,
            app
          )
          const many = (each: string) =>
            compute.sql(
              `do $$ begin for i in 1..3000 loop execute format('${each}', i); if i % 200 = 0 then commit; end if; end loop; end $$`,
              app
            )
          yield* many("create table public.t%1$s (id int); alter table public.t%1$s owner to doomed")
          const answer = yield* compute.configure(deleting(compute.spec, "doomed"))
          assert.strictEqual(answer.status, 200, answer.body)
          assert.strictEqual(yield* count(compute), "0")
          const owned = "select count(*) from pg_class where relowner = 'owner'::regrole and relkind = 'r'"
          assert.strictEqual(yield* compute.sql(owned, app), "3000")
          assert.strictEqual(yield* compute.sql("select rolsuper from pg_roles where rolname = 'lender'"), "t")
          const kept = "select has_table_privilege('other', 'public.t', 'select')"
          assert.strictEqual(yield* compute.sql(kept, app), "f")
        }),
      LIMIT
    )

    it.live(
      "ends in databases of every encoding, whatever the role is called",
      () =>
        Effect.gen(function* () {
          const compute = yield* started()
          const name = "doomed пётр"
          yield* compute.sql(`create role "${name}"; grant create on database app to "${name}"`)
          const encodings = ["LATIN1", "SQL_ASCII", "MULE_INTERNAL", "KOI8R"]
          for (const encoding of encodings) {
            yield* compute.sql(
              `create database "in ${encoding}" owner owner encoding '${encoding}' template template0 lc_collate 'C' lc_ctype 'C'`
            )
            yield* Effect.scoped(
              Effect.flatMap(
                Effect.flatMap(Sql, (sql) => sql.session({ applicationName: "test", database: `in ${encoding}` })),
                ({ script }) => script(`CREATE TABLE public.t (); ALTER TABLE public.t OWNER TO "${name}"`)
              )
            ).pipe(Effect.provide(Sql.layerTo(compute.connstr)))
          }
          const answer = yield* compute.configure(deleting(compute.spec, name))
          assert.strictEqual(answer.status, 200, answer.body)
          assert.strictEqual(yield* count(compute), "1")
        }),
      LIMIT
    )

    it.live(
      "looks when it drops: a role that got its name, its objects or its database by the same apply",
      () =>
        Effect.gen(function* () {
          const compute = yield* started()
          yield* compute.sql("create table public.t (id int); alter table public.t owner to doomed", {
            database: "app"
          })
          const renamed = merge(compute.spec, {
            cluster: { databases: [database("renamed", "owner"), database("more", "owner")] },
            delta_operations: [
              { action: "rename_db", name: "app", new_name: "renamed" },
              { action: "rename_role", name: "doomed", new_name: "doomed_by_its_new_name" },
              { action: "delete_role", name: "doomed_by_its_new_name" }
            ]
          })
          const answer = yield* compute.configure(renamed)
          assert.strictEqual(answer.status, 200, answer.body)
          assert.strictEqual(yield* count(compute), "0")
          assert.strictEqual((yield* compute.configure(renamed)).status, 200)
        }),
      LIMIT
    )

    it.live(
      "leaves the privileged role and our own alone",
      () =>
        Effect.gen(function* () {
          const compute = yield* started()
          for (const name of ["neon_superuser", "cloud_admin"]) {
            const answer = yield* compute.configure(deleting(compute.spec, name))
            assert.strictEqual(answer.status, 500)
            const rights = "select count(*) from pg_auth_members where member = 'neon_superuser'::regrole"
            assert.notStrictEqual(yield* compute.sql(rights), "0")
          }
          const ours = "select tableowner from pg_tables where tablename = 'health_check'"
          assert.strictEqual(yield* compute.sql(ours), "cloud_admin")
        }),
      LIMIT
    )
  })
}
