/**
 * Which extensions are installed, in how many databases.
 *
 * Source: `compute_tools/src/installed_extensions.rs`.
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as References from "effect/References"
import type { InstalledExtension } from "../../../domain/catalog/Requests.ts"
import { installedExtensions as family } from "../../../domain/observe/MetricFamilies.ts"
import type { Metrics } from "../../observe/Metrics.ts"
import type { Sql } from "../../sql/Sql.ts"

const APPLICATION = "compute_ctl:get_installed_extensions"
const DATABASES = 500
/** Sessions at once; enough to hide the latency of storage, few enough to leave the clients theirs. */
const CONCURRENCY = 3
/** The bootstrap superuser. */
const SUPERUSER = 10

const LIST = `SELECT oid::pg_catalog.int8::pg_catalog.text AS oid, datname AS name FROM pg_catalog.pg_database
  WHERE datallowconn AND datconnlimit OPERATOR(pg_catalog.<>) '-2'::pg_catalog.int4 ORDER BY oid LIMIT ${DATABASES}`
const EXTENSIONS = `SELECT extname, extversion AS version, extowner OPERATOR(pg_catalog.=) '${SUPERUSER}'::pg_catalog.oid AS by_superuser
  FROM pg_catalog.pg_extension ORDER BY extname`

interface Found {
  readonly extname: string
  readonly version: string
  readonly by_superuser: boolean
}

const count = (databases: ReadonlyMap<string, ReadonlyArray<Found>>): ReadonlyArray<InstalledExtension> => {
  const counts = new Map<string, InstalledExtension>()
  for (const { extname, version, by_superuser } of [...databases.values()].flat()) {
    const owned_by_superuser = by_superuser ? "1" : "0"
    const key = JSON.stringify([extname, version, owned_by_superuser])
    const n_databases = (counts.get(key)?.n_databases ?? 0) + 1
    counts.set(key, { extname, version, n_databases, owned_by_superuser })
  }
  return [...counts.values()]
}

/**
 * Counts; the gauge shows the last count. A database that cannot be entered counts as it was found last and does not keep
 * the others from being counted; one that is gone does not count.
 */
export const makeInstalledExtensions = Effect.fnUntraced(function* (sql: Sql["Service"], metrics: Metrics["Service"]) {
  const known = yield* Ref.make<ReadonlyMap<string, ReadonlyArray<Found>>>(new Map())
  yield* metrics.gauge(
    family,
    Effect.map(Ref.get(known), (databases) =>
      count(databases).map(({ extname, version, owned_by_superuser, n_databases }) => ({
        labels: { extension_name: extname, owned_by_superuser, version },
        value: n_databases
      }))
    )
  )
  const visit = (database: { readonly oid: string; readonly name: string }) =>
    sql.session({ applicationName: APPLICATION, database: database.name }).pipe(
      Effect.flatMap((session) => session.query<Found>(EXTENSIONS)),
      Effect.scoped,
      Effect.catch((error) =>
        Effect.logWarning(
          `extensions of database ${JSON.stringify(database.name)} are not known: ${error.message}`
        ).pipe(
          Effect.andThen(Ref.get(known)),
          Effect.map((before) => before.get(database.oid) ?? [])
        )
      ),
      Effect.map((found) => [database.oid, found] as const)
    )
  return Effect.gen(function* () {
    const databases = yield* sql.session({ applicationName: APPLICATION }).pipe(
      Effect.flatMap((session) => session.query<{ oid: string; name: string }>(LIST)),
      Effect.scoped
    )
    const found = yield* Effect.forEach(databases, visit, { concurrency: CONCURRENCY })
    yield* Ref.set(known, new Map(found))
    const extensions = count(new Map(found))
    // Read by a pipeline: nothing stands behind the JSON.
    yield* Effect.logInfo(`[NEON_EXT_STAT] ${JSON.stringify({ extensions })}`).pipe(
      Effect.provideService(References.CurrentLogAnnotations, {})
    )
    return extensions
  })
})
