/**
 * Verifiers of roles, where tenants and operators of the server look: its views, its statistics, its log.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import pg from "pg"
import { role } from "../domain/catalog/parts.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { makeAuthExtension, startEmulator } from "../rig/emulator.ts"
import { servers } from "../rig/postgres.ts"
import { merge, setting } from "../rig/spec.ts"

const LIMIT = 300_000

const SALT = "c2FsdHNhbHQ="
const STORED = Buffer.alloc(32, 0x41).toString("base64")
const VERIFIER = `SCRAM-SHA-256$4096:${SALT}$${STORED}:${Buffer.alloc(32, 0x42).toString("base64")}`
const MD5 = "0123456789abcdef0123456789abcdef"
/** Plan trees print a constant byte by byte. */
const bytes = (text: string) => [...Buffer.from(text)].join(" ")
const SECRETS = [VERIFIER, SALT, STORED, MD5, bytes("SCRAM-SHA-256"), bytes(MD5)]

const noSecret = (text: string, where: string) => {
  for (const secret of SECRETS) assert.notInclude(text, secret, where)
}

/** Whatever prints statements, parameters and trees, with the file that the server itself writes. */
const talkative = [
  setting("shared_preload_libraries", "pg_stat_statements,auto_explain"),
  setting("logging_collector", "on", "bool"),
  setting("log_directory", "log"),
  setting("log_filename", "all.log"),
  setting("log_statement", "all", "enum"),
  setting("pg_stat_statements.track", "all", "enum"),
  setting("auto_explain.log_min_duration", "0", "integer"),
  setting("log_min_duration_statement", "0", "integer")
]
const SETTINGS = [
  ["log_min_error_statement", "debug5"],
  ["log_min_duration_sample", "0"],
  ["log_statement_sample_rate", "1"],
  ["log_transaction_sample_rate", "1"],
  ["log_duration", "on"],
  ["log_parameter_max_length", "-1"],
  ["log_parameter_max_length_on_error", "-1"],
  ["debug_print_parse", "on"],
  ["debug_print_rewritten", "on"],
  ["debug_print_plan", "on"],
  ["log_min_messages", "debug2"]
] as const

const louder = (compute: Compute) =>
  Effect.gen(function* () {
    for (const [name, value] of SETTINGS) yield* compute.sql(`alter system set ${name} = '${value}'`)
    yield* compute.sql("select pg_reload_conf()")
    for (const on of ["role cloud_admin", "database postgres", "role cloud_admin in database postgres"]) {
      for (const [name, value] of [...SETTINGS, ["log_statement", "all"]]) {
        yield* compute.sql(`alter ${on} set ${name} = '${value}'`)
      }
    }
  })

/** What a session that may read all statistics sees, again and again, until interrupted. */
const watch = (compute: Compute, seen: Ref.Ref<ReadonlySet<string>>) =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const { postgres: port } = compute.ports
      const client = new pg.Client({ host: "127.0.0.1", port, user: "watcher", database: "postgres" })
      client.on("error", () => {})
      await client.connect()
      return client
    }),
    (client) =>
      Effect.promise(() => client.query<{ query: string }>("select query from pg_stat_activity")).pipe(
        Effect.flatMap(({ rows }) => Ref.update(seen, (all) => new Set([...all, ...rows.map(({ query }) => query)]))),
        Effect.forever
      ),
    (client) => Effect.promise(() => client.end().catch(() => undefined))
  )

/** Changes of roles wait; who only looks at them does not. */
const heldRoles = <A, E>(compute: Compute, until: Effect.Effect<boolean>, work: Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const { postgres: port } = compute.ports
      const client = new pg.Client({ host: "127.0.0.1", port, user: "cloud_admin", database: "postgres" })
      client.on("error", () => {})
      await client.connect()
      await client.query("begin; lock table pg_authid in share mode")
      return client
    }),
    (client) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(work)
        const waiting = `select count(*) from pg_stat_activity where application_name = 'compute_ctl:apply_config'
          and wait_event_type = 'Lock'`
        while ((yield* compute.sql(waiting)) === "0" || !(yield* until)) yield* Effect.sleep("10 millis")
        yield* Effect.promise(() => client.query("rollback"))
        return yield* Fiber.join(fiber)
      }),
    (client) => Effect.promise(() => client.end().catch(() => undefined))
  )

const many = (password: string, prefix: string) =>
  Array.from({ length: 40 }, (_, index) => role(`${prefix}${index}`, password))

/** Asked so that the question itself is no finding. */
const having = (password: string) =>
  `select count(*) from pg_authid where md5(rolpassword) = '${createHash("md5").update(password).digest("hex")}'`

/** Each makes the server repeat what stands behind it. */
const broken = ["$$", "/* ", "'", 'U&"', "-- comment"].map((value, index) =>
  role(`broken${index}`, VERIFIER, [{ name: `CONNECTION LIMIT ${index} ${value}`, value: null, vartype: "string" }])
)

for (const pgbin of servers) {
  describe(`verifiers with ${pgbin}`, () => {
    for (const args of [[], ["--lakebase-mode", "true"]]) {
      it.live(
        `stand in no view, statistic, log or answer ${args.join(" ")}`,
        () =>
          Effect.gen(function* () {
            const emulator = yield* startEmulator({ pgbin })
            yield* makeAuthExtension(emulator)
            const compute = yield* startCompute({
              emulator,
              args,
              spec: { cluster: { roles: [role("first", VERIFIER), ...many(MD5, "start")] } },
              settings: talkative
            })
            yield* compute.waitFor("running")
            yield* compute.sql("create role watcher login in role pg_monitor")
            yield* louder(compute)
            const seen = yield* Ref.make<ReadonlySet<string>>(new Set())
            const watcher = yield* Effect.forkChild(watch(compute, seen))
            const roles = (more: ReadonlyArray<object>) => merge(compute.spec, { cluster: { roles: more } })
            const fine = yield* heldRoles(
              compute,
              Effect.map(Ref.get(seen), (all) => [...all].some((query) => query.includes('"later0"'))),
              compute.configure(roles(many(VERIFIER, "later")))
            )
            assert.strictEqual(fine.status, 200, fine.body)
            const refused = yield* compute.configure(roles([...broken, role("pg_no", VERIFIER), ...many(MD5, "later")]))
            assert.strictEqual(refused.status, 500)
            yield* Fiber.interrupt(watcher)

            assert.strictEqual(yield* compute.sql(having(`md5${MD5}`)), "80")
            // The comment ends where its line does.
            assert.strictEqual(yield* compute.sql(`${having(VERIFIER)} and rolname ~ '^broken'`), "1")
            assert.strictEqual(yield* compute.sql("select rolcanlogin from pg_roles where rolname = 'broken4'"), "t")

            const queries = [...(yield* Ref.get(seen))].join("\n")
            assert.match(queries, /CREATE ROLE "later0"/)
            noSecret(queries, "pg_stat_activity")
            noSecret(yield* compute.sql("select string_agg(query, ' ') from public.pg_stat_statements"), "statistics")
            yield* compute.sql("select 'seen'")
            // The server's collector writes a moment later.
            const log = yield* Effect.sync(() =>
              fs.readFileSync(path.join(compute.pgdata, "log/all.log"), "utf8")
            ).pipe(
              Effect.repeat({
                until: (text) => text.includes("select 'seen'"),
                schedule: Schedule.spaced("50 millis")
              }),
              Effect.timeout("30 seconds")
            )
            noSecret(log, "the server's log")
            const apply = yield* compute.http({ path: "/apply" })
            for (const text of [compute.log(), apply.body, refused.body, fine.body]) noSecret(text, "our own words")
          }),
        LIMIT
      )
    }
  })
}
