/**
 * What keeps a database from being created or dropped: sessions in the template, slots, prepared transactions, subscriptions.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { database, role } from "../domain/catalog/parts.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { merge, setting } from "../rig/spec.ts"
import { eventually, lakebaseEmulator, lastApply, stepsOf, tenant } from "./tenants.ts"

const LIMIT = 300_000

const start = (args: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const emulator = yield* lakebaseEmulator
    const compute = yield* startCompute({
      emulator,
      args,
      spec: {
        skip_pg_catalog_updates: false,
        cluster: {
          roles: [role("alice")],
          databases: ["app", "slotted", "prepared", "subscribed", "plain"].map((name) => database(name, "alice"))
        }
      },
      settings: [setting("wal_level", "logical"), setting("max_prepared_transactions", "5", "integer")]
    })
    yield* compute.waitFor("running")
    return compute
  })

const withNew = (compute: Compute, name: string) =>
  merge(compute.spec, { cluster: { databases: ["app", name].map((one) => database(one, "alice")) } })

for (const args of [[], ["--lakebase-mode", "true"]]) {
  it.live(
    `sessions in template1 are ended when a database is to be created, idle ones first${args.length === 0 ? "" : ", in lakebase mode"}`,
    () =>
      Effect.gen(function* () {
        const compute = yield* start(args)
        const idle = yield* tenant(compute, { database: "template1", application: "lingers" })
        yield* Effect.promise(async () => idle?.query("begin"))
        const bystander = yield* tenant(compute, { database: "app", application: "bystander" })
        const created = yield* compute.configure(withNew(compute, "first"))
        assert.strictEqual(created.status, 200, created.body)
        yield* Effect.promise(async () => bystander?.query("select 1"))
        yield* compute.waitForLog(/ended sessions in template1, which is to be copied: pid \d+, application "lingers"/)

        const busy = yield* tenant(compute, { database: "template1", application: "busy" })
        busy?.query("select pg_sleep(600)").catch(() => {})
        const again = yield* compute.configure(withNew(compute, "second"))
        assert.strictEqual(again.status, 200, again.body)
        const found = "select count(*) from pg_database where datname in ('first', 'second')"
        assert.strictEqual(yield* compute.sql(found), "2")
      }),
    LIMIT
  )
}

describe("what keeps a database from being dropped", () => {
  it.live(
    "fails that step alone, and is named",
    () =>
      Effect.gen(function* () {
        const compute = yield* start()
        const slot = "select pg_create_logical_replication_slot('of_a_tenant', 'test_decoding')"
        yield* compute.sql(slot, { database: "slotted" })
        // It counts as used as long as somebody reads from it.
        const reader = yield* tenant(compute, { database: "slotted", replication: "database" })
        reader?.query("START_REPLICATION SLOT of_a_tenant LOGICAL 0/0").catch(() => {})
        const active = compute.sql("select active from pg_replication_slots")
        yield* eventually(active, (found) => found === "t")
        yield* compute.sql("begin; create table t(); prepare transaction 'kept'", { database: "prepared" })
        const subscribe =
          "create subscription inherited connection 'host=127.0.0.1 port=1' publication p with (connect = false)"
        yield* compute.sql(subscribe, { database: "subscribed" })
        yield* compute.sql("alter database subscribed allow_connections false")
        const without = merge(compute.spec, {
          cluster: {
            roles: [role("alice"), role("bob")],
            databases: [database("app", "alice"), database("late", "bob")]
          },
          delta_operations: ["slotted", "prepared", "subscribed", "plain"].map((name) => ({
            action: "delete_db",
            name
          }))
        })
        const answer = yield* compute.configure(without)
        assert.strictEqual(answer.status, 500, answer.body)
        const steps = stepsOf(yield* lastApply(compute))
        const failed = steps.filter(({ state }) => state === "failed")
        const message = (name: string) =>
          failed.find(({ object }) => object === `database "${name}"`)?.error?.message ?? ""
        assert.match(message("slotted"), /replication slot "of_a_tenant"/)
        assert.match(message("prepared"), /prepared transaction "kept"/)
        assert.match(message("subscribed"), /subscription "inherited"/)
        const left = "select string_agg(datname, ' ' order by datname) from pg_database where not datistemplate"
        assert.include(yield* compute.sql(left), "app late postgres prepared slotted subscribed")
        assert.notInclude(yield* compute.sql(left), "plain")
        assert.strictEqual(yield* compute.sql("select count(*) from pg_roles where rolname = 'bob'"), "1")

        yield* Effect.promise(async () => reader?.end())
        yield* eventually(active, (found) => found === "f")
        yield* compute.sql("rollback prepared 'kept'", { database: "prepared" })
        yield* compute.sql("alter database subscribed allow_connections true")
        const healed = yield* compute.configure(without)
        assert.strictEqual(healed.status, 200, healed.body)
        assert.strictEqual(yield* compute.sql(left), "app late postgres")
      }),
    LIMIT
  )
})
