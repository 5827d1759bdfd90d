/**
 * Runs outstanding migrations, each in a transaction with the memory of it.
 *
 * Source: `compute_tools/src/migration.rs`.
 */
import * as Effect from "effect/Effect"
import { memory, migrations, transaction } from "../../../domain/catalog/plan/Migrations.ts"
import { dbMigrationFailed } from "../../../domain/observe/MetricFamilies.ts"
import type { Metrics } from "../../observe/Metrics.ts"
import type { Sql, SqlSession } from "../../sql/Sql.ts"
import { MigrationFailed } from "../errors.ts"
import type { SizeLimit } from "./sizeLimit.ts"

/** The id of the last migration applied to this timeline; null before the first. */
const lastApplied = (session: SqlSession) =>
  Effect.gen(function* () {
    // Asked first: a question for what is not there would stand as an error in the log of every new timeline.
    const [table] = yield* session.query<{ there: boolean }>(
      "SELECT pg_catalog.to_regclass('neon_migration.migration_id') IS NOT NULL AS there"
    )
    if (table?.there !== true) return null
    const [row] = yield* session.query<{ id: string }>(
      "SELECT id FROM neon_migration.migration_id WHERE key OPERATOR(pg_catalog.=) 0"
    )
    return row === undefined ? null : Number(row.id)
  })

export const migrate = (
  sql: Sql["Service"],
  metrics: Metrics["Service"],
  sizeLimit: SizeLimit,
  privilegedRole: string,
  failAt: number | null
) =>
  Effect.gen(function* () {
    const session = yield* sql.session({ applicationName: "compute_ctl:migrations", purpose: "change" })
    const all = migrations(privilegedRole)
    const last = yield* lastApplied(session)
    if (last !== null && last >= all.length) return
    yield* sizeLimit.lifted
    yield* sizeLimit.seenBy(session)
    if (last === null) yield* session.script(memory)
    for (const migration of all.slice(last ?? 0)) {
      const { id } = migration
      yield* Effect.logInfo(`${migration.sql === null ? "Skipping" : "Running"} migration id=${id}`)
      const text =
        id === failAt ? `${migration.sql ?? "SELECT"}; SELECT 1 OPERATOR(pg_catalog./) 0` : transaction(migration)
      yield* session.script(text).pipe(
        Effect.tapError(() => metrics.increment(dbMigrationFailed, { migration_id: String(id) })),
        Effect.mapError(
          ({ message, sqlstate }) => new MigrationFailed({ id, sqlstate, message: `migration id=${id}: ${message}` })
        )
      )
      yield* Effect.logInfo(`Finished migration id=${id}`)
    }
  }).pipe(Effect.scoped, Effect.withSpan("handle_migrations"))
