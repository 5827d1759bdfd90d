/**
 * Real Postgres clusters with the catalog service on top: superuser `cloud_admin`, the stand-in of the neon extension,
 * an override file included last, everything gone with the scope.
 */

import { execFile, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import pg from "pg"
import { distribution } from "../../src/emulator/postgres/Distribution.ts"
import { Catalog } from "../../src/layers/catalog/Catalog.ts"
import { type ComputeOptions, Options } from "../../src/layers/compute/Options.ts"
import { Waits } from "../../src/layers/compute/Waits.ts"
import { Metrics } from "../../src/layers/observe/Metrics.ts"
import { DataDirectory } from "../../src/layers/postgres/dataDirectory/DataDirectory.ts"
import { Postmaster } from "../../src/layers/postgres/Postmaster.ts"
import { Sql } from "../../src/layers/sql/Sql.ts"
import { TIMELINE } from "../domain/catalog/parts.ts"
import { freePort } from "../rig/freePort.ts"
import { account, type Server, tempDir } from "../rig/postgres.ts"

export { database, role, SCRAM, type SpecParts, specOf, TIMELINE } from "../domain/catalog/parts.ts"
export { type Server, versions } from "../rig/postgres.ts"

const run = promisify(execFile)
const as = account ?? {}

export interface Cluster {
  readonly major: number
  readonly data: string
  readonly port: number
  readonly pid: number
  readonly connstr: string
  readonly pgbin: string
  /** Texts of the override file, in order. */
  readonly overrides: Array<string>
  /** Rows as `psql -AtX` shows them. */
  readonly sql: (database: string, text: string, user?: string) => Effect.Effect<string>
  /** The catalog service with sessions changed by a layer. */
  readonly layerOver: (sessions: Layer.Layer<Sql, never, Sql>) => Layer.Layer<Catalog | Sql | Metrics>
  readonly layer: (
    options?: Partial<ComputeOptions>,
    catalog?: typeof Catalog.layer
  ) => Layer.Layer<Catalog | Sql | Metrics>
}

const raw = { getTypeParser: () => (value: string | Buffer) => value }

/** One session for all that is asked of a database: a connection costs more than what is asked. */
const session = <A>(
  port: number,
  database: string,
  user: string,
  use: (ask: (text: string) => Promise<string>) => Promise<A>
) =>
  Effect.promise(async () => {
    // Looking at what a test has set is not subject to it.
    const options = "-c statement_timeout=0"
    const client = new pg.Client({ host: "127.0.0.1", port, database, user, options, types: raw })
    client.on("error", () => {})
    await client.connect()
    try {
      return await use(async (text) => {
        const results = await client.query<Array<string | null>>({ text, rowMode: "array" })
        return [results]
          .flat()
          .flatMap((result) =>
            result.fields.length > 0
              ? result.rows.map((row) => row.map((value) => value ?? "").join("|"))
              : [result.rowCount === null ? result.command : `${result.command} ${result.rowCount}`]
          )
          .join("\n")
      })
    } finally {
      await client.end()
    }
  })

const query =
  (port: number) =>
  (database: string, text: string, user = "cloud_admin") =>
    session(port, database, user, (ask) => ask(text))

/** A data directory to copy: made once per file and version. */
export const template = (server: Server) =>
  Effect.gen(function* () {
    const dir = yield* tempDir("catalog-")
    const made = yield* distribution({
      pgbin: server.pgbin,
      dir: path.join(dir, "pg"),
      cache: path.join(dir, "cache"),
      control: { host: "127.0.0.1", port: 1 },
      account
    }).pipe(Effect.orDie)
    const home = yield* tempDir("catalog-data-", true)
    const data = path.join(home, "template")
    yield* Effect.promise(() =>
      run(
        path.join(made.realBin, "initdb"),
        ["-D", data, "-U", "cloud_admin", "-A", "trust", "--no-sync", "--locale=C.UTF-8", "--wal-segsize=4"],
        { ...as, cwd: home }
      )
    )
    fs.appendFileSync(
      path.join(data, "postgresql.conf"),
      [
        "fsync = off",
        "wal_level = logical",
        "shared_buffers = 32MB",
        // It is copied for each test: of WAL that is kept for later there is more than of all else.
        "min_wal_size = 8MB",
        "max_wal_size = 64MB",
        "max_connections = 60",
        "log_min_messages = fatal",
        `neon.timeline_id = '${TIMELINE}'`,
        "include_if_exists = 'compute_ctl_temp_override.conf'",
        ""
      ].join("\n")
    )
    return { home, data, bin: made.realBin, major: server.major, pgbin: path.join(made.realBin, "postgres") }
  })
export type Template = Effect.Success<ReturnType<typeof template>>

let clusters = 0

export const startCluster = (
  from: Template,
  settings: Readonly<Record<string, string>> = {},
  keepAs: string | null = null
): Effect.Effect<Cluster, never, Scope.Scope> =>
  Effect.gen(function* () {
    const port = yield* freePort
    clusters += 1
    const data = path.join(from.home, `data${clusters}`)
    yield* Effect.promise(() => run("cp", ["-a", "--reflink=auto", from.data, data]))
    const all = {
      port: String(port),
      unix_socket_directories: from.home,
      shared_preload_libraries: "pg_stat_statements",
      ...settings
    }
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(
          path.join(from.bin, "postgres"),
          ["-D", data, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
          { ...as, cwd: from.home, stdio: ["ignore", "ignore", process.env["POSTGRES_LOG"] ? "inherit" : "ignore"] }
        )
      ),
      (running) =>
        Effect.callback<void>((resume) => {
          const gone = () => {
            if (keepAs === null) fs.rmSync(data, { recursive: true, force: true })
            else fs.renameSync(data, keepAs)
            resume(Effect.void)
          }
          if (running.exitCode !== null) return gone()
          running.once("exit", gone)
          running.kill(keepAs === null ? "SIGQUIT" : "SIGINT")
        })
    )
    const connstr = `postgresql://cloud_admin@127.0.0.1:${port}/postgres`
    yield* query(port)("postgres", "select 1").pipe(
      Effect.sandbox,
      Effect.retry({ times: 4000, schedule: pause }),
      Effect.orDie
    )
    const pid = child.pid ?? 0
    const overrides: Array<string> = []
    const directory = Layer.succeed(
      DataDirectory,
      // Only these two are asked for by the catalog.
      {
        writeOverride: (text: string) =>
          Effect.sync(() => {
            overrides.push(text)
            fs.writeFileSync(path.join(data, "compute_ctl_temp_override.conf"), text, { mode: 0o644 })
          }),
        ensureConfLine: () => Effect.succeed(false)
      } as unknown as DataDirectory["Service"]
    )
    const postmaster = Layer.succeed(Postmaster, {
      current: Effect.succeed({
        reload: Effect.sync(() => process.kill(pid, "SIGHUP"))
      })
    } as unknown as Postmaster["Service"])
    const over = (
      options: Partial<ComputeOptions>,
      catalog: typeof Catalog.layer,
      sessions: Layer.Layer<Sql, never, Sql>
    ) =>
      catalog.pipe(
        Layer.provideMerge(
          Layer.merge(Layer.provide(sessions, Sql.layerTo(connstr)), Layer.provideMerge(Waits.layer, Metrics.layer))
        ),
        Layer.provide(Layer.mergeAll(directory, postmaster, optionsLayer({ connstr, pgbin: from.pgbin, ...options }))),
        Layer.provideMerge(quiet)
      )
    return {
      major: from.major,
      data,
      port,
      pid,
      connstr,
      pgbin: from.pgbin,
      overrides,
      sql: query(port),
      layer: (options = {}, catalog = Catalog.layer) => over(options, catalog, unchanged),
      layerOver: (sessions) => over({}, Catalog.layer, sessions)
    }
  })

/** A template that some work has been done on. */
export const advanced = <E>(from: Template, work: (cluster: Cluster) => Effect.Effect<void, E>) =>
  Effect.gen(function* () {
    const data = `${from.data}-advanced`
    yield* Effect.scoped(Effect.flatMap(startCluster(from, {}, data), work))
    return { ...from, data }
  })

const unchanged = Layer.effect(Sql, Sql)
const quiet = process.env["TEST_LOG"] ? Layer.empty : Layer.succeed(References.MinimumLogLevel, "None")
const pause = Schedule.spaced("20 millis")

const optionsLayer = (options: Partial<ComputeOptions>) =>
  Layer.succeed(Options, {
    privilegedRole: "neon_superuser",
    lakebaseMode: false,
    controlPlaneToken: Redacted.make(""),
    ...options
  } as ComputeOptions)

const queries: {
  readonly "cluster, in database postgres": Readonly<Record<string, string>>
  readonly "in every database that accepts connections, except template ones": Readonly<Record<string, string>>
} = JSON.parse(fs.readFileSync(new URL("../golden/catalog-queries.json", import.meta.url), "utf8"))

/** The whole catalog as SQL shows it, in the form of the recorded cases. */
export const look = (cluster: Cluster) =>
  Effect.gen(function* () {
    const all: Record<string, unknown> = {}
    const asked = (database: string, texts: Readonly<Record<string, string>>) =>
      session(cluster.port, database, "cloud_admin", async (ask) => {
        const answers: Record<string, string> = {}
        for (const [name, text] of Object.entries(texts)) answers[name] = await ask(text)
        return answers
      })
    Object.assign(all, yield* asked("postgres", queries["cluster, in database postgres"]))
    const names = yield* cluster.sql(
      "postgres",
      "select datname from pg_database where datallowconn and datname !~ '^template[01]$' and datconnlimit <> -2 order by 1"
    )
    for (const name of names.split("\n")) {
      all[`db ${name}`] = yield* asked(
        name,
        queries["in every database that accepts connections, except template ones"]
      )
    }
    return all
  })
