/**
 * A cluster with a canary behind every name, as the content of the emulator's timeline: what starts on it meets the traps
 * in its own database, in template1 and in every database made from that.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import pg from "pg"
import { parse } from "../../src/domain/spec/Lsn.ts"
import type { Emulator } from "../../src/emulator/Emulator.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { canary, eventTriggers, schemas, shadows } from "./shadows.ts"

/** A session that trips nothing itself. */
export const asAdmin = (
  port: number,
  major: number,
  database: string,
  texts: ReadonlyArray<string>,
  options = "-c search_path=pg_catalog"
) =>
  Effect.promise(async () => {
    const client = new pg.Client({
      host: "127.0.0.1",
      port,
      database,
      user: "cloud_admin",
      options: major >= 17 ? `${options} -c event_triggers=off` : options
    })
    client.on("error", () => undefined)
    await client.connect()
    try {
      for (const text of texts) await client.query(text)
    } finally {
      await client.end()
    }
  })

const subscription = "CONNECTION 'host=127.0.0.1 port=1 dbname=x' PUBLICATION p WITH (connect = false)"

/** Objects for each of the operations, all of them a tenant's. */
const objects: ReadonlyArray<readonly [database: string, texts: ReadonlyArray<string>]> = [
  [
    "postgres",
    [
      "CREATE ROLE tenant LOGIN CREATEROLE CREATEDB; CREATE ROLE old_name LOGIN; CREATE ROLE doomed LOGIN; CREATE ROLE web_access",
      ...["shop", "gone", "before", "extras"].map((name) => `CREATE DATABASE ${name} OWNER tenant`),
      "ALTER DATABASE gone IS_TEMPLATE true",
      "GRANT CONNECT ON DATABASE shop TO doomed"
    ]
  ],
  [
    "shop",
    [
      "CREATE TABLE public.orders (id pg_catalog.int4); ALTER TABLE public.orders OWNER TO tenant",
      "ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
      "CREATE POLICY mine ON public.orders USING (canary.trip('policy'))",
      "CREATE RULE read_too AS ON INSERT TO public.orders DO ALSO SELECT canary.trip('rule')",
      "CREATE TRIGGER every BEFORE INSERT OR UPDATE OR DELETE ON public.orders FOR EACH ROW EXECUTE FUNCTION canary.on_trigger()",
      "CREATE TABLE public.legacy (id pg_catalog.int4); ALTER TABLE public.legacy OWNER TO doomed",
      "GRANT SELECT, TRIGGER ON public.orders TO doomed WITH GRANT OPTION",
      "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO doomed",
      `CREATE SUBSCRIPTION inherited ${subscription}`
    ]
  ],
  ["gone", [`CREATE SUBSCRIPTION doomed_too ${subscription}`]],
  ["extras", ["CREATE SCHEMA extra AUTHORIZATION tenant; CREATE TYPE extra.mood AS ENUM ('well')"]]
]

/** Databases of the spec that a start on the poisoned content is given, and what it is to change. */
export const wanted = {
  skip_pg_catalog_updates: false,
  drop_subscriptions_before_start: true,
  features: ["activity_monitor_experimental"],
  cluster: {
    roles: ["tenant", "new_name", "fresh"].map((name) => ({ name, encrypted_password: null, options: null })),
    databases: ["postgres", "shop", "after", "extras", "made"].map((name) => ({ name, owner: "tenant", options: null }))
  },
  delta_operations: [
    { action: "delete_role", name: "doomed" },
    { action: "delete_db", name: "gone" },
    { action: "rename_db", name: "before", new_name: "after" },
    { action: "rename_role", name: "old_name", new_name: "new_name" }
  ]
}

/** What a tenant would put on the tables that we write to; what he may not is left out. */
export const traps: ReadonlyArray<string> = [
  "public.health_check",
  "neon.drop_subscriptions_done",
  "neon_migration.migration_id"
].flatMap((table) => [
  `CREATE TRIGGER trap BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION canary.on_trigger()`,
  `CREATE RULE trap AS ON UPDATE TO ${table} DO ALSO SELECT canary.trip('rule')`,
  `CREATE INDEX ON ${table} ((canary.trip('index')))`,
  `ALTER TABLE ${table} ADD CHECK (canary.trip('constraint'))`
])

/** As each of these roles, one after the other. */
export const setTraps = (port: number, roles: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    for (const user of roles) {
      const client = new pg.Client({ host: "127.0.0.1", port, database: "postgres", user })
      client.on("error", () => undefined)
      await client.connect()
      for (const text of traps) await client.query(text).catch(() => undefined)
      await client.end()
    }
  })

const lsn = Result.getOrThrow(parse("0/1800000"))

/** Stops; what is in the data directory is the timeline's content from now on. */
export const keep = (emulator: Emulator, compute: Compute) =>
  Effect.gen(function* () {
    yield* compute.http({ method: "POST", path: "/terminate" })
    yield* compute.ended
    const { tenant_id: tenant, timeline_id: timeline } = emulator.addresses
    yield* emulator.keep({ tenant, timeline, pgdata: compute.pgdata, lsn })
  })

export const poison = (emulator: Emulator, major: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
      yield* compute.waitFor("running")
      const { postgres } = compute.ports
      for (const database of ["template1", "postgres"]) {
        yield* asAdmin(postgres, major, database, [canary, ...schemas.map(shadows)])
        if (major >= 17) yield* asAdmin(postgres, major, database, [eventTriggers(major)])
      }
      for (const [database, texts] of objects) yield* asAdmin(postgres, major, database, texts)
      yield* keep(emulator, compute)
    })
  )
