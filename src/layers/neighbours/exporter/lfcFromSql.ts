/**
 * The families of `/autoscaling_metrics` as far as SQL knows them: an old neon extension has the views and functions but no
 * socket, a vanilla Postgres neither.
 *
 * Source: `pgxn/neon/neon--*.sql`, `compute/etc/sql_exporter`.
 */
import * as Effect from "effect/Effect"
import { anyFault, functionFault, schemaFault, viewFault } from "../../../domain/catalog/Ownership.ts"
import { render, type Sample } from "../../../domain/observe/Exposition.ts"
import type { MetricFamily } from "../../../domain/observe/MetricFamilies.ts"
import type { Sql, SqlFailed, SqlSession } from "../../sql/Sql.ts"
import type { Exported } from "./Exported.ts"

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

const statistics =
  "select lfc_key::pg_catalog.text as key, lfc_value::pg_catalog.text as value from neon.neon_lfc_stats"

const windows = `
select seconds::pg_catalog.text as key, neon.approximate_working_set_size_seconds(seconds)::pg_catalog.text as value
from pg_catalog.generate_series(60, 3600, 60) as seconds`

interface Row {
  readonly key: string
  readonly value: string | null
}

/** No key of a statistic is a number. */
const isWindow = ({ key }: Row) => /^\d+$/.test(key)

const sample = (value: string | null | undefined, labels: Sample["labels"] = {}): ReadonlyArray<Sample> =>
  value == null ? [] : [{ labels, value: Number(value) }]

const exposition = (limit: string | null, rows: ReadonlyArray<Row>): string => {
  const found = new Map(rows.map(({ key, value }) => [key, value]))
  const families: ReadonlyArray<readonly [MetricFamily, ReadonlyArray<Sample>]> = [
    [sizeLimit, sample(limit)],
    ...counters.map(([family, key]) => [family, sample(found.get(key))] as const),
    [workingSet, rows.filter(isWindow).flatMap(({ key, value }) => sample(value, { duration_seconds: key }))]
  ]
  return families.map(([family, samples]) => render(family, samples)).join("")
}

/** Their text is parsed and planned once in a session; what they name is looked up anew when it has changed. */
const prepared = (session: SqlSession) => {
  const names = new Map<string, string>()
  return <R extends object>(text: string): Effect.Effect<ReadonlyArray<R>, SqlFailed> => {
    const known = names.get(text)
    if (known !== undefined) return session.query<R>(`execute ${known}`)
    const name = `lfc_${names.size}`
    return session
      .script(`prepare ${name} as ${text}`)
      .pipe(
        Effect.andThen(Effect.sync(() => names.set(text, name))),
        Effect.andThen(session.query<R>(`execute ${name}`))
      )
  }
}

/** A session that is asked again and again, and what it asks. Closes with the scope. */
export const open = (sql: Sql["Service"]) =>
  Effect.gen(function* () {
    const session = yield* sql.session({
      applicationName: "compute_ctl:autoscaling_metrics",
      connectTimeout: "2 seconds",
      purpose: "probe"
    })
    const ask = prepared(session)
    return Effect.gen(function* () {
      // Each time: what is not ours may come and go while the session stays.
      const [present] = yield* ask<Present>(probe)
      const sources = [...(present?.stats ? [statistics] : []), ...(present?.windows ? [windows] : [])]
      const rows = sources.length === 0 ? [] : yield* ask<Row>(sources.join(" union all "))
      const body = new TextEncoder().encode(exposition(present?.limit ?? null, rows))
      return { status: 200, contentType: "application/text", body } satisfies Exported
    })
  })
