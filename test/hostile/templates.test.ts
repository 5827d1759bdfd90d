/**
 * What keeps a database from being created or dropped: sessions in the template, slots, prepared transactions, subscriptions.
 */
import * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type pg from "pg"
import { database, role } from "../domain/catalog/parts.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { merge, setting } from "../rig/spec.ts"
import { eventually } from "../rig/waits.ts"
import { lakebaseEmulator, lastApply, stepsOf, tenant } from "./tenants.ts"

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
        // Whoever may replicate may sit there in another way, and what is prepared there outlives even a restart.
        yield* tenant(compute, { database: "template1", user: "cloud_admin", replication: "database" })
        yield* compute.sql("begin; select pg_advisory_xact_lock(1); prepare transaction 'it''s \\there'", {
          database: "template1",
          user: "alice"
        })
        const last = yield* compute.configure(withNew(compute, "third"))
        assert.strictEqual(last.status, 200, last.body)
        yield* compute.waitForLog(/rolled back in template1, which is to be copied: prepared transaction "it's/)
        const found = "select count(*) from pg_database where datname in ('first', 'second', 'third')"
        assert.strictEqual(yield* compute.sql(found), "3")
      }),
    LIMIT
  )
}

/** A statement whose client does nothing more. */
const stalled = (client: pg.Client | null, text: string): Effect.Effect<void> =>
  Effect.sync(() => {
    const nothing = () => {}
    const statement = {
      submit: (connection: { query: (text: string) => void; stream: { pause: () => void } }) => {
        connection.query(text)
        connection.stream.pause()
      },
      ...{ handleError: nothing, handleCopyInResponse: nothing, handleReadyForQuery: nothing }
    }
    client?.query(statement as unknown as pg.Submittable)
  })

/** Accepts, and says nothing. */
const silent: Effect.Effect<number, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.callback<net.Server>((resume) => {
      const server = net.createServer((socket) => void socket.on("error", () => {}))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ),
  (server) => {
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  }
)

describe("what keeps a database from being dropped", () => {
  it.live(
    "is no publisher that says nothing, and no client of another database that stalls",
    () =>
      Effect.gen(function* () {
        const compute = yield* start()
        const port = yield* silent
        // A table that is not in sync yet has a slot of its own at the publisher.
        yield* compute.sql(
          `create table t (id int primary key);
           create subscription s connection 'host=127.0.0.1 port=${port} user=u password=p' publication p with (connect = false);
           insert into pg_subscription_rel select oid, 't'::regclass, 'i', null from pg_subscription`,
          { database: "subscribed" }
        )
        const without = (...names: ReadonlyArray<string>) =>
          merge(compute.spec, {
            cluster: { databases: [database("app", "alice")] },
            delta_operations: names.map((name) => ({ action: "delete_db", name }))
          })
        const asked = yield* compute.configure(without("subscribed"))
        assert.strictEqual(asked.status, 200, asked.body)

        const [writes, reads] = [yield* tenant(compute), yield* tenant(compute)]
        yield* Effect.promise(async () => writes?.query("create temp table t (line text)"))
        yield* stalled(writes, "copy t from stdin")
        yield* stalled(reads, "select repeat('x', 1000000) from generate_series(1, 1000)")
        const waiting = `select count(*) from pg_stat_activity where application_name = 'of a tenant'
          and wait_event in ('ClientRead', 'ClientWrite') and state = 'active'`
        yield* eventually("both to wait for their clients", compute.sql(waiting), (found) => found === "2")
        const heard = yield* compute.configure(without("subscribed", "plain"))
        assert.strictEqual(heard.status, 200, heard.body)
        assert.match(compute.log(), /ended a session that waits for its client .*application "of a tenant"/)
        const left = "select count(*) from pg_database where datname in ('subscribed', 'plain')"
        assert.strictEqual(yield* compute.sql(left), "0")
      }),
    LIMIT
  )

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
        yield* eventually("the slot to be read", active, (found) => found === "t")
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
        yield* eventually("the slot to be left", active, (found) => found === "f")
        yield* compute.sql("rollback prepared 'kept'", { database: "prepared" })
        yield* compute.sql("alter database subscribed allow_connections true")
        const healed = yield* compute.configure(without)
        assert.strictEqual(healed.status, 200, healed.body)
        assert.strictEqual(yield* compute.sql(left), "app late postgres")
      }),
    LIMIT
  )
})
