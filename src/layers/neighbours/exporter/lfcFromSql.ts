/**
 * The families of `/autoscaling_metrics` as far as SQL knows them: an old neon extension has the views and functions but no
 * socket, a vanilla Postgres neither.
 *
 * Source: `pgxn/neon/neon--*.sql`, `compute/etc/sql_exporter`.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { anyFault, functionFault, schemaFault, viewFault } from "../../../domain/catalog/Ownership.ts"
import { render, type Sample } from "../../../domain/observe/Exposition.ts"
import type { MetricFamily } from "../../../domain/observe/MetricFamilies.ts"
import { Sql, type SqlSession } from "../../sql/Sql.ts"

const gauge = (name: string, help: string, labels: ReadonlyArray<string> = []): MetricFamily => ({
  name,
  help,
  labels,
  type: "gauge"
})

const sizeLimit = gauge("lfc_cache_size_limit", "Size limit of the local file cache in bytes")
const hits = gauge("lfc_hits", "Page requests answered by the local file cache")
const misses = gauge("lfc_misses", "Page requests not answered by the local file cache")
const used = gauge("lfc_used", "Chunks of the local file cache in use")
const writes = gauge("lfc_writes", "Writes to the local file cache")
const workingSet = gauge(
  "lfc_approximate_working_set_size_windows",
  "Pages touched within the last seconds, estimated",
  ["duration_seconds"]
)

const counters: ReadonlyArray<readonly [MetricFamily, string]> = [
  [hits, "file_cache_hits"],
  [misses, "file_cache_misses"],
  [used, "file_cache_used"],
  [writes, "file_cache_writes"]
]

interface Present {
  readonly limit: string | null
  readonly stats: boolean
  readonly windows: boolean
}

/** Where there is no extension a superuser may have made them by hand, in a schema that nobody else creates in. */
const ORIGIN = { extension: "neon", superuser: true }

/**
 * Which of the sources there are, and are nobody's but a superuser's; asked before use, since a missing one is an error of the
 * whole statement.
 */
const probe = `
select pg_catalog.pg_size_bytes(pg_catalog.current_setting('neon.file_cache_size_limit', true))::pg_catalog.text as "limit",
  pg_catalog.to_regclass('neon.neon_lfc_stats') is not null
    and ${anyFault(schemaFault("neon"), viewFault("neon", "neon_lfc_stats", ORIGIN))} is null as stats,
  pg_catalog.to_regprocedure('neon.approximate_working_set_size_seconds(pg_catalog.int4)') is not null
    and ${anyFault(schemaFault("neon"), functionFault("neon", "approximate_working_set_size_seconds", ORIGIN))} is null
    as windows`

const statistics = `select lfc_key as key, lfc_value::pg_catalog.text as value from neon.neon_lfc_stats`

const windows = `
select seconds::pg_catalog.text as key, neon.approximate_working_set_size_seconds(seconds)::pg_catalog.text as value
from pg_catalog.generate_series(60, 3600, 60) as seconds`

interface Row {
  readonly key: string
  readonly value: string | null
}

const rowsIf = (session: SqlSession, wanted: boolean, text: string) =>
  wanted ? session.query<Row>(text) : Effect.succeed<ReadonlyArray<Row>>([])

const sample = (value: string, labels: Sample["labels"] = {}): ReadonlyArray<Sample> => [
  { labels, value: Number(value) }
]

const read = Effect.gen(function* () {
  const sql = yield* Sql
  const session = yield* sql.session({
    applicationName: "compute_ctl:autoscaling_metrics",
    connectTimeout: "2 seconds",
    purpose: "probe"
  })
  const [present] = yield* session.query<Present>(probe)
  const found = new Map(
    (yield* rowsIf(session, present?.stats ?? false, statistics)).map(({ key, value }) => [key, value] as const)
  )
  const sizes = yield* rowsIf(session, present?.windows ?? false, windows)
  const families: ReadonlyArray<readonly [MetricFamily, ReadonlyArray<Sample>]> = [
    [sizeLimit, present?.limit == null ? [] : sample(present.limit)],
    ...counters.map(([family, key]) => {
      const value = found.get(key) ?? null
      return [family, value === null ? [] : sample(value)] as const
    }),
    [workingSet, sizes.flatMap(({ key, value }) => (value === null ? [] : sample(value, { duration_seconds: key })))]
  ]
  return families.map(([family, samples]) => render(family, samples)).join("")
})

export const collect = Effect.scoped(read).pipe(
  Effect.timeout("5 seconds"),
  Effect.map((text) => ({
    status: 200,
    contentType: "application/text",
    body: Stream.make(new TextEncoder().encode(text))
  }))
)
