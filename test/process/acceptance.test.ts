/**
 * Promises to peers that no area of its own keeps.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import pg from "pg"
import { type Compute, runProgram, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { freePorts } from "../rig/freePort.ts"
import { tempDir } from "../rig/postgres.ts"
import { allow, scriptedPostgres } from "../rig/scriptedPostgres.ts"
import { makeConfig, makeSpec, merge, setting } from "../rig/spec.ts"
import { adminToken, jwks, makeKeys } from "../rig/tokens.ts"
import { LIMIT, NET } from "../rig/waits.ts"

const plain = { skip_pg_catalog_updates: true }
const serve = "while :; do sleep 0.1; done"
const refresh = { method: "POST", path: "/refresh_configuration", server: "internal", token: null } as const

const postmasterOf = (compute: Compute) =>
  fs.readFileSync(path.join(compute.pgdata, "postmaster.pid"), "utf8").split("\n")[0] ?? ""

/** A session that keeps every change of roles waiting until the scope closes. */
const holdRoles = (compute: Compute) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new pg.Client({
        host: "127.0.0.1",
        port: compute.ports.postgres,
        user: "cloud_admin",
        database: "postgres"
      })
      client.on("error", () => {})
      await client.connect()
      await client.query("begin; lock table pg_authid in access exclusive mode")
      return client
    }),
    (client) => Effect.promise(() => client.end().catch(() => undefined))
  )

const role = (name: string, encrypted_password: string | null = null) => ({ name, encrypted_password, options: null })

describe("secrets", () => {
  it.live(
    "are in no log at any level and in no command line; Postgres gets the two that its extension needs",
    () =>
      Effect.gen(function* () {
        const verifier = `SCRAM-SHA-256$4096:c2FsdHNhbHQ=$${Buffer.alloc(32, 1).toString("base64")}:${Buffer.alloc(32, 2).toString("base64")}`
        const keys = makeKeys("storage")
        const emulator = yield* startEmulator({ tokenKey: keys })
        const storage = emulator.addresses.storage_token ?? ""
        const secrets = {
          storage,
          verifier,
          derived: Buffer.alloc(32, 1).toString("base64"),
          md5: "0123456789abcdef0123456789abcdef",
          endpoint: "endpoint-storage-secret",
          control: "control-plane-secret",
          pooler: "pooler-secret",
          admin: adminToken()
        }
        const compute = yield* startCompute({
          emulator,
          source: "control-plane",
          env: {
            RUST_LOG: "trace",
            NEON_CONTROL_PLANE_TOKEN: secrets.control,
            PGBOUNCER_PASSWORD: secrets.pooler
          },
          spec: {
            endpoint_id: "ep-1",
            endpoint_storage_addr: emulator.addresses.endpoint_storage,
            endpoint_storage_token: secrets.endpoint,
            autoprewarm: true,
            cluster: { roles: [role("alice", verifier), role("bob", secrets.md5)] }
          }
        })
        yield* compute.waitFor("running")
        const more = merge(compute.spec, {
          cluster: { roles: [...compute.spec["cluster"].roles, role("c", verifier)] }
        })
        assert.strictEqual((yield* compute.configure(more)).status, 200)
        yield* compute.http({ path: "/dbs_and_roles" })
        yield* compute.http({ method: "POST", path: "/lfc/offload" })
        yield* compute.http(refresh)
        const pids = [String(compute.pid), postmasterOf(compute)]
        const lines = pids.map((pid) => fs.readFileSync(`/proc/${pid}/cmdline`, "utf8")).join("\n")
        const environment = fs.readFileSync(`/proc/${postmasterOf(compute)}/environ`, "utf8").split("\0")
        yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })
        yield* compute.ended
        for (const [name, secret] of Object.entries(secrets)) {
          assert.notInclude(compute.log(), secret, name)
          assert.notInclude(lines, secret, name)
        }
        const given = environment.filter((entry) => Object.values(secrets).some((secret) => entry.includes(secret)))
        assert.deepStrictEqual(given.sort(), [
          `NEON_AUTH_TOKEN=${storage}`,
          `NEON_CONTROL_PLANE_TOKEN=${secrets.control}`
        ])
      }),
    LIMIT
  )
})

describe("keys", () => {
  it.live(
    "are renewed by /configure; an empty set locks nobody out",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const compute = yield* startCompute({ emulator, spec: plain })
        yield* compute.waitFor("running")
        const fresh = makeKeys("fresh")
        const token = `Bearer ${adminToken(fresh)}`
        const ask = (bearer?: string) =>
          Effect.map(
            compute.http({ path: "/status", ...(bearer !== undefined && { token: bearer }) }),
            ({ status }) => status
          )
        const configure = (set: object) =>
          compute.http({
            method: "POST",
            path: "/configure",
            body: { spec: compute.spec, compute_ctl_config: { jwks: set } }
          })
        assert.strictEqual(yield* ask(token), 401)
        assert.strictEqual((yield* configure({ keys: [] })).status, 200)
        assert.strictEqual(yield* ask(), 200)
        assert.strictEqual((yield* configure(jwks(fresh))).status, 200)
        assert.deepStrictEqual([yield* ask(token), yield* ask()], [200, 200])
      }),
    LIMIT
  )
})

describe("numbers of 64 bits", () => {
  it.live(
    "arrive without loss",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const dir = yield* tempDir("numbers-")
        const [external = 0, internal = 0, postgres = 0] = yield* freePorts(3)
        const spec = merge(makeSpec(emulator.addresses, { port: postgres, socketDir: dir }, plain), {
          swap_size_bytes: "MOST",
          disk_quota_bytes: "MOST",
          pageserver_connstring: null,
          pageserver_connection_info: {
            shard_count: 0,
            stripe_size: null,
            shards: { "0000": { pageservers: [{ id: "MOST", libpq_url: emulator.addresses.pageservers[0] }] } }
          }
        })
        spec["cluster"].settings.push({ name: "my.big", value: "18446744073709551615", vartype: "integer" })
        const text = JSON.stringify(makeConfig(spec)).replaceAll('"MOST"', "18446744073709551615")
        const file = path.join(dir, "config.json")
        const run = (document: string) => {
          fs.writeFileSync(file, document)
          return runProgram([
            ...["-D", path.join(dir, "pgdata"), "-C", `postgresql://cloud_admin@127.0.0.1:${postgres}/postgres`],
            ...["-c", file, "-b", emulator.addresses.pgbin, "-i", "c"],
            ...["--external-http-port", String(external), "--internal-http-port", String(internal)]
          ])
        }
        const running = yield* run(text)
        yield* Effect.timeout(running.written("compute start finished"), NET)
        assert.include(
          fs.readFileSync(path.join(dir, "pgdata/postgresql.conf"), "utf8"),
          "my.big = 18446744073709551615\n"
        )
        running.signal("SIGTERM")
        yield* running.ended
        const tooBig = yield* run(text.replaceAll("18446744073709551615", "18446744073709551616"))
        assert.strictEqual((yield* tooBig.ended).code, 1)
        assert.include(tooBig.log(), "invalid value: integer `18446744073709551616`, expected u64")
      }),
    LIMIT
  )
})

describe("a database that its owner has set up against us", () => {
  it.live(
    "is configured and looked at all the same",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator })
        yield* compute.waitFor("running")
        const hostile = [
          "role = 'weak'",
          "search_path = 'evil'",
          "statement_timeout = '1ms'",
          "default_transaction_read_only = on"
        ]
        yield* compute.sql(`create role weak; ${hostile.map((one) => `alter database postgres set ${one}`).join("; ")}`)
        const databases = [{ name: "d", owner: "r", options: null }]
        const answer = yield* compute.configure(merge(compute.spec, { cluster: { roles: [role("r")], databases } }))
        assert.strictEqual(answer.status, 200, answer.body)
        assert.include((yield* compute.http({ path: "/dbs_and_roles" })).body, '"name":"d"')
        assert.strictEqual((yield* compute.http({ method: "POST", path: "/check_writability" })).body, "true")
      }),
    LIMIT
  )
})

describe("what is refused", () => {
  it.live(
    "while a reconfiguration runs is said in the words that clients know",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator })
        yield* compute.waitFor("running")
        const wanted = merge(compute.spec, { cluster: { roles: [role("r")] } })
        const first = yield* Effect.scoped(
          Effect.gen(function* () {
            yield* holdRoles(compute)
            const pending = yield* Effect.forkChild(compute.configure(wanted))
            yield* compute.waitFor("configuration")
            const busy = '{"error":"invalid compute status: configuration"}'
            const again = yield* compute.configure(wanted)
            assert.deepStrictEqual([again.status, again.body], [412, busy])
            const nudge = yield* compute.http(refresh)
            assert.deepStrictEqual(
              [nudge.status, nudge.body],
              [500, '{"error":"Cannot refresh compute configuration in state Configuration"}']
            )
            const twice = { ...wanted, safekeeper_connstrings: ["a:1", "a:1"] }
            assert.strictEqual((yield* compute.configure(twice)).status, 400)
            return pending
          })
        )
        assert.strictEqual((yield* Fiber.join(first)).status, 200)
      }),
    LIMIT
  )

  it.live(
    "while the compute starts; a nudge is taken for nothing, and a scrape never sees another status than one",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const pgbin = yield* scriptedPostgres(emulator, `trap 'exit 0' INT QUIT; await asked; ready; ${serve}`)
        const compute = yield* startCompute({ emulator, pgbin, spec: plain })
        yield* compute.waitFor("init")
        const starting = '{"error":"invalid compute status: init"}'
        const answer = yield* compute.configure(compute.spec)
        assert.deepStrictEqual([answer.status, answer.body], [412, starting])
        assert.strictEqual((yield* compute.http(refresh)).status, 200)
        const seen = new Set<string>()
        while (!seen.has("running")) {
          const { body } = yield* compute.http({ path: "/metrics", token: null })
          const samples = [...body.matchAll(/^compute_ctl_up\{.*status="([^"]*)"\} 1$/gm)].map(([, status]) => status)
          assert.lengthOf(samples, 1)
          seen.add(samples[0] ?? "")
          yield* allow(compute, "asked")
          yield* Effect.sleep("5 millis")
        }
        assert.deepStrictEqual([...seen], ["init", "running"])
      }),
    LIMIT
  )
})

describe("a termination", () => {
  const immediately = { method: "POST", path: "/terminate?mode=immediate" } as const

  it.live(
    "while a start waits for its basebackup cancels it: no position, exit 0",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        emulator.world.faults = [{ peer: "pageserver", action: { do: "silence" } }]
        const compute = yield* startCompute({ emulator, spec: plain })
        yield* compute.waitFor("init")
        const answer = yield* compute.http(immediately)
        assert.deepStrictEqual([answer.status, answer.body], [200, '{"lsn":null}'])
        assert.strictEqual((yield* compute.ended).code, 0)
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )

  it.live(
    "while a start works in Postgres stops that in order, with the position of the last sync",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator, settings: [setting("post_auth_delay", "4", "integer")] })
        yield* compute.waitForLog("PostgreSQL is now running, continuing to configure it")
        const answer = yield* compute.http(immediately)
        assert.strictEqual(answer.status, 200)
        assert.match(answer.body, /^\{"lsn":"[0-9A-F]+\/[0-9A-F]+"\}$/)
        assert.strictEqual((yield* compute.ended).code, 0)
        assert.match(compute.log(), /PG:.*database system is shut down/)
      }),
    LIMIT
  )

  it.live(
    "while a reconfiguration waits for a lock ends both",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator })
        yield* compute.waitFor("running")
        const wanted = merge(compute.spec, { cluster: { roles: [role("r")] } })
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* holdRoles(compute)
            const pending = yield* Effect.forkChild(compute.configure(wanted))
            yield* compute.waitFor("configuration")
            const answer = yield* compute.http(immediately)
            assert.strictEqual(answer.status, 200)
            assert.notInclude(answer.body, "null")
            const configured = yield* Fiber.join(pending)
            assert.strictEqual(configured.status, 500)
            assert.include(configured.body, "the compute is being terminated")
          })
        )
        assert.strictEqual((yield* compute.ended).code, 0)
      }),
    LIMIT
  )
})

describe("a start that fails when Postgres has run as a primary", () => {
  it.live(
    "is followed by one sync; a refresh is taken, and a termination then gets the position and Postgres' own code",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const pgbin = yield* scriptedPostgres(emulator, `trap 'exit 5' INT; ready; ${serve}`)
        const compute = yield* startCompute({ emulator, pgbin })
        yield* compute.waitFor("failed")
        yield* compute.waitForLog("synced safekeepers at LSN 0/1800000")
        assert.strictEqual((yield* compute.http(refresh)).status, 200)
        assert.deepInclude(yield* compute.status, { status: "refresh_configuration_pending" })
        const answer = yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })
        assert.deepStrictEqual([answer.status, answer.body], [200, '{"lsn":"0/1800000"}'])
        assert.strictEqual((yield* compute.ended).code, 5)
      }),
    LIMIT
  )
})

describe("a client that goes away", () => {
  it.live(
    "during /configure and /terminate stops neither",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const pgbin = yield* scriptedPostgres(
          emulator,
          `trap 'await gone; exit 0' INT; trap 'exit 0' QUIT; await left; ready; ${serve}`
        )
        const compute = yield* startCompute({ emulator, pgbin, spec: null })
        yield* compute.waitFor("empty")
        const body = makeConfig({ ...compute.spec, ...plain })
        const configuring = yield* Effect.forkChild(compute.http({ method: "POST", path: "/configure", body }))
        yield* compute.waitFor("init")
        yield* Fiber.interrupt(configuring)
        yield* allow(compute, "left")
        yield* compute.waitFor("running")
        const terminating = yield* Effect.forkChild(compute.http({ method: "POST", path: "/terminate?mode=immediate" }))
        yield* compute.waitFor("termination_pending_immediate")
        yield* Fiber.interrupt(terminating)
        const second = yield* compute.http({ method: "POST", path: "/terminate" })
        assert.deepStrictEqual(
          [second.status, second.body],
          [412, '{"error":"invalid compute status: termination-pending-immediate"}']
        )
        yield* allow(compute, "gone")
        assert.strictEqual((yield* compute.ended).code, 0)
      }),
    LIMIT
  )
})
