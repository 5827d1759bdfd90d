/**
 * A timeline that the original has run is taken over, and handed back: what one writes for itself the other finds.
 */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Catalog } from "../../src/layers/catalog/Catalog.ts"
import {
  type Cluster,
  database,
  role,
  specOf,
  startCluster,
  type Template,
  TIMELINE,
  template,
  versions
} from "./cluster.ts"

class From extends Context.Service<From, Template>()("test/Template") {}

const parts = {
  roles: [role("owner", "0123456789abcdef0123456789abcdef")],
  dbs: [database("app", "owner")],
  extra: { drop_subscriptions_before_start: true }
}

/** As the original leaves its system database: in an older version of it, after so many migrations. */
const left = (cluster: Cluster, migrations: number) =>
  cluster.sql(
    "postgres",
    `create role neon_superuser createdb createrole nologin replication bypassrls in role pg_read_all_data, pg_write_all_data;
     alter default privileges in schema public grant all on tables to neon_superuser with grant option;
     create schema neon;
     create extension neon with schema neon;
     create schema neon_migration;
     create table neon_migration.migration_id (key int not null primary key, id bigint not null default 0);
     insert into neon_migration.migration_id values (0, ${migrations});
     revoke all on schema neon_migration from public;
     create table public.health_check (id serial primary key, updated_at timestamptz default now());
     insert into public.health_check values (1, '2020-01-01');
     create table neon.drop_subscriptions_done (id serial primary key, timeline_id text);
     insert into neon.drop_subscriptions_done values (1, '${TIMELINE}')`
  )

/** What the original writes at its next start, and to answer whether it can write. It names nothing by its place. */
const resumed = (cluster: Cluster) =>
  cluster.sql(
    "postgres",
    `set search_path = '';
     insert into neon_migration.migration_id values (0, 0) on conflict do nothing;
     alter schema neon_migration owner to cloud_admin;
     update neon_migration.migration_id set id = 12;
     insert into public.health_check values (1, pg_catalog.now()) on conflict (id) do update set updated_at = pg_catalog.now();
     insert into neon.drop_subscriptions_done values (1, 'another')
       on conflict (id) do update set timeline_id = excluded.timeline_id`
  )

const taken = Effect.gen(function* () {
  const catalog = yield* Catalog
  yield* catalog.apply(specOf(parts), { phase: "start", concurrency: 4 })
  yield* catalog.migrate(specOf(parts))
  yield* catalog.updateNeonExtension
  yield* catalog.checkWritability
})

const migration = (cluster: Cluster) => cluster.sql("postgres", "select key, id from neon_migration.migration_id")

for (const server of versions) {
  layer(Layer.effect(From, template(server)), { excludeTestServices: true })(`Postgres ${server.major}`, (it) => {
    it.effect("takes over what the original left half migrated, and hands it back", () =>
      Effect.gen(function* () {
        const cluster = yield* startCluster(yield* From)
        yield* left(cluster, 5)
        yield* cluster.sql("postgres", "create database app")
        yield* cluster.sql(
          "app",
          "create subscription since connection 'host=127.0.0.1 port=1' publication p with (connect = false)"
        )
        yield* Effect.provide(taken, cluster.layer())
        assert.strictEqual(yield* migration(cluster), "0|12")
        assert.strictEqual(cluster.overrides.at(-1), "")
        // Dropped once for this timeline is enough, whoever did it: this one is the tenant's own.
        assert.strictEqual(yield* cluster.sql("app", "select count(*) from pg_subscription"), "1")
        // A password as MD5, written with and without its head, is the same password.
        const attributes = "select rolpassword from pg_authid where rolname = 'owner'"
        assert.strictEqual(yield* cluster.sql("postgres", attributes), "md50123456789abcdef0123456789abcdef")
        const written = "select count(*), min(updated_at) > '2025-01-01' from public.health_check"
        assert.strictEqual(yield* cluster.sql("postgres", written), "1|t")

        yield* resumed(cluster)
        assert.strictEqual(yield* migration(cluster), "0|12")
        assert.strictEqual(yield* cluster.sql("postgres", "select count(*) from public.health_check"), "1")
        yield* Effect.provide(taken, cluster.layer())
      })
    )

    it.effect("leaves what a newer one has migrated, and begins what none has", () =>
      Effect.gen(function* () {
        const newer = yield* startCluster(yield* From)
        yield* left(newer, 14)
        yield* Effect.provide(taken, newer.layer())
        assert.strictEqual(yield* migration(newer), "0|14")

        const fresh = yield* startCluster(yield* From)
        yield* Effect.provide(taken, fresh.layer())
        assert.strictEqual(yield* migration(fresh), "0|12")
        yield* resumed(fresh)
        yield* Effect.provide(taken, fresh.layer())
      })
    )
  })
}
