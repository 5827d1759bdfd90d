/**
 * Tenants who take every connection or hold a lock: what we ask waits for a while and then says so, and nothing of it is left
 * in the server, whether the client that asked has waited or gone.
 */
import * as http from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type pg from "pg"
import { database, role } from "../domain/catalog/parts.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { merge, setting } from "../rig/spec.ts"
import { adminToken } from "../rig/tokens.ts"
import { eventually } from "../rig/waits.ts"
import { lakebaseEmulator, lastApply, statusDetail, stepsOf, tenant } from "./tenants.ts"

const LIMIT = 300_000

const cluster = { roles: [role("alice")], databases: [database("app", "alice"), database("other", "alice")] }

interface Mode {
  readonly name: string
  readonly args: ReadonlyArray<string>
  readonly emulator: ReturnType<typeof startEmulator>
}
const ordinary: Mode = { name: "", args: [], emulator: startEmulator() }
const lakebase: Mode = {
  name: ", in lakebase mode",
  args: ["--lakebase-mode", "true"],
  emulator: lakebaseEmulator
}

const running = (
  settings: ReadonlyArray<ReturnType<typeof setting>> = [],
  { args, emulator: starting }: Mode = ordinary
) =>
  Effect.gen(function* () {
    const emulator = yield* starting
    const compute = yield* startCompute({
      emulator,
      spec: { skip_pg_catalog_updates: false, features: ["activity_monitor_experimental"], cluster },
      settings,
      args
    })
    yield* compute.waitFor("running")
    yield* compute.waitForLog("Finished migration id=12")
    return compute
  })

const run = (client: pg.Client | null, ...texts: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    for (const text of texts) await client?.query(text)
  })

/** Sessions of ours by name, without the monitor's. */
const ours = (compute: Compute, name: string) =>
  Effect.map(
    compute.sql(`select count(*) from pg_stat_activity where application_name = 'compute_ctl:${name}'`),
    Number
  )

/** What a start does once, in sessions of its own, has been done. */
const alone = (compute: Compute) =>
  Effect.andThen(
    compute.waitForLog("[NEON_EXT_STAT]"),
    eventually(
      "all sessions of the start to be gone",
      compute.sql(`select count(*) from pg_stat_activity
        where application_name like 'compute_ctl:%' and application_name <> 'compute_ctl:compute_monitor'`),
      (count) => count === "0"
    )
  )

/** A request whose client goes away before the answer. */
const abandoned = (compute: Compute, method: string, path: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const request = http.request({
        host: "127.0.0.1",
        port: compute.ports.external,
        method,
        path,
        headers: { authorization: `Bearer ${adminToken()}` }
      })
      request.on("error", () => {})
      request.end()
      return request
    }),
    (request) => Effect.sync(() => request.destroy())
  )

const questions = [
  ["GET", "/dbs_and_roles"],
  ["GET", "/insights"],
  ["POST", "/check_writability"],
  ["GET", "/plan"],
  ["GET", "/database_schema?database=app"]
] as const

describe("a tenant who takes every connection", () => {
  for (const mode of [ordinary, lakebase]) {
    it.live(
      `keeps us from nothing: questions, changes and an apply use what is reserved${mode.name}`,
      () =>
        Effect.gen(function* () {
          const compute = yield* running(
            [setting("max_connections", "12", "integer"), setting("max_wal_senders", "0", "integer")],
            mode
          )
          // A session of ours that has gone by the end of this would leave a tenant one more.
          yield* alone(compute)
          // What is there already counts as it did, whatever these leave.
          const taken = yield* Effect.forEach(Array.from({ length: 14 }), () => tenant(compute))
          assert.include(taken, null)
          assert.isAtLeast(taken.filter((one) => one !== null).length, 6)
          const wanted = merge(compute.spec, {
            cluster: {
              roles: [role("alice"), role("bob")],
              databases: ["app", "other", "one", "two", "three"].map((name) => database(name, "bob"))
            }
          })
          const answers = yield* Effect.all(
            [
              compute.configure(wanted),
              ...[...questions, ...questions].map(([method, path]) => compute.http({ method, path, limit: 60_000 }))
            ],
            { concurrency: "unbounded" }
          )
          const codes = answers.map(({ status }) => status)
          // While a configuration runs, some questions are refused for that alone.
          assert.strictEqual(codes[0], 200, answers[0]?.body)
          for (const answer of answers) assert.include([200, 412], answer.status, answer.body)
          for (const [method, path] of questions) {
            const answer = yield* compute.http({ method, path, limit: 60_000 })
            assert.strictEqual(answer.status, 200, `${path} ${answer.body}`)
          }
          const grant = { database: "two", schema: "public", privileges: ["USAGE", "CREATE"], role: "alice" }
          const granted = yield* compute.http({
            server: "internal",
            method: "POST",
            path: "/grants",
            body: grant,
            token: null
          })
          assert.strictEqual(granted.status, 201, granted.body)
          assert.strictEqual(yield* tenant(compute), null)
          assert.strictEqual((yield* lastApply(compute)).state, "done")
        }),
      LIMIT
    )
  }
})

describe("a lock of a tenant", () => {
  it.live(
    "makes a question fail in time, once for all who ask, and leaves no session behind when they go",
    () =>
      Effect.gen(function* () {
        const compute = yield* running()
        const locker = yield* tenant(compute, { user: "cloud_admin", database: "postgres" })
        yield* run(locker, "begin", "lock table public.health_check in access exclusive mode")
        const check = compute.http({ method: "POST", path: "/check_writability", limit: 60_000 })
        const asked = Effect.all([check, check, check, check], { concurrency: "unbounded" })
        const [answers] = yield* Effect.all(
          [
            asked,
            Effect.forEach(Array.from({ length: 10 }), () =>
              Effect.delay(
                Effect.map(ours(compute, "availability_checker"), (count) => assert.isAtMost(count, 1)),
                200
              )
            )
          ],
          { concurrency: "unbounded" }
        )
        for (const { status, body } of answers) {
          assert.strictEqual(status, 500)
          assert.match(body, /canceling statement due to lock timeout/)
        }
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* abandoned(compute, "POST", "/check_writability")
            yield* eventually("a session that checks", ours(compute, "availability_checker"), (count) => count === 1)
          })
        )
        const before = compute.log().length
        yield* eventually(
          "the session that checks to be gone",
          ours(compute, "availability_checker"),
          (count) => count === 0
        )
        assert.notInclude(compute.log().slice(before), "due to lock timeout", "it was left to wait")
        yield* run(locker, "rollback")
        assert.strictEqual((yield* check).status, 200)
      }),
    LIMIT
  )

  it.live(
    "ends a dump in time, and its sessions when the client leaves; neither counts as activity",
    () =>
      Effect.gen(function* () {
        const compute = yield* running()
        const locker = yield* tenant(compute)
        yield* run(locker, "create table t()")
        yield* run(locker, "begin", "lock table t in access exclusive mode")
        const dump = yield* compute.http({ path: "/database_schema?database=app", limit: 60_000 })
        assert.strictEqual(dump.status, 500, dump.body)
        assert.match(dump.body, /failed to execute pg_dump/)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* abandoned(compute, "GET", "/database_schema?database=app")
            yield* eventually("a session that dumps", ours(compute, "get_database_schema"), (count) => count >= 1)
          })
        )
        yield* eventually(
          "the session that dumps to be gone",
          ours(compute, "get_database_schema"),
          (count) => count === 0,
          4000
        )
        // Others' databases are dumped meanwhile.
        assert.strictEqual((yield* compute.http({ path: "/database_schema?database=other" })).status, 200)
      }),
    LIMIT
  )

  it.live(
    "is named while an apply waits for it",
    () =>
      Effect.gen(function* () {
        const compute = yield* running()
        const locker = yield* tenant(compute, { application: "long report" })
        yield* run(locker, "begin", "create role dave")
        const wanted = merge(compute.spec, { cluster: { roles: [role("alice"), role("dave")] } })
        const configuring = yield* Effect.forkChild(compute.configure(wanted), { startImmediately: true })
        const pid = yield* compute.sql("select pid from pg_stat_activity where application_name = 'long report'")
        const { waits } = yield* eventually("the wait for the report", statusDetail(compute), (found) =>
          JSON.stringify(found["waits"]).includes("long report")
        )
        const said = new RegExp(`locked by others: .*pid ${pid}, application \\\\"long report\\\\".*since 2`)
        assert.match(JSON.stringify(waits), said)
        const blocked = stepsOf(yield* lastApply(compute)).find(({ object }) => object === 'role "dave"')
        assert.strictEqual(blocked?.blocked_by[0]?.pid, Number(pid))
        yield* run(locker, "rollback")
        const answer = yield* Fiber.join(configuring)
        assert.strictEqual(answer.status, 200, answer.body)
        assert.match(compute.log(), /waiting for a lock: .*role "dave".*long report/)
      }),
    LIMIT
  )
})
