/**
 * Runs outstanding migrations, each in a transaction with the memory of it.
 *
 * Source: `compute_tools/src/migration.rs`.
 */
import * as Effect from "effect/Effect"
import { anyFault, migrationId, schemaFault, tableName, writeFault } from "../../../domain/catalog/Ownership.ts"
import { memory, migrations, transaction } from "../../../domain/catalog/plan/Migrations.ts"
import { named } from "../../../domain/catalog/plan/Step.ts"
import { dbMigrationFailed } from "../../../domain/observe/MetricFamilies.ts"
import type { Metrics } from "../../observe/Metrics.ts"
import type { DataDirectoryFailed } from "../../postgres/dataDirectory/DataDirectory.ts"
import type { Sql, SqlFailed, SqlSession } from "../../sql/Sql.ts"
import { MigrationFailed } from "../errors.ts"
import { notOurs } from "../ours.ts"
import type { SizeLimit } from "./obstacles/sizeLimit.ts"

const MEMORY = `SELECT pg_catalog.to_regnamespace('neon_migration') IS NOT NULL AS schema,
  pg_catalog.to_regclass('neon_migration.migration_id') IS NOT NULL AS table,
  ${anyFault(schemaFault("neon_migration"), writeFault(migrationId))} AS fault`

interface Memory {
  readonly schema: boolean
  readonly table: boolean
  readonly fault: string | null
}

/** The id of the last migration applied to this timeline; null before the first. `schema`: whether it has its schema. */
const lastApplied = Effect.fnUntraced(function* (session: SqlSession) {
  // Asked first: a question for what is not there would stand as an error in the log of every new timeline.
  const [memory] = yield* session.query<Memory>(MEMORY)
  if (memory === undefined || !memory.schema) return { last: null, schema: false }
  if (memory.fault !== null) return yield* notOurs(named("table", tableName(migrationId)), memory.fault)
  if (!memory.table) return { last: null, schema: true }
  const [row] = yield* session.query<{ id: string }>(
    "SELECT id FROM neon_migration.migration_id WHERE key OPERATOR(pg_catalog.=) 0"
  )
  return { last: row === undefined ? null : Number(row.id), schema: true }
})

/** `disk_full`: what the limit of the cluster's size is reported as. */
const isFull = (error: SqlFailed | DataDirectoryFailed) => error._tag === "SqlFailed" && error.sqlstate === "53100"

export const migrate = Effect.fn("handle_migrations")(function* (
  sql: Sql["Service"],
  metrics: Metrics["Service"],
  sizeLimit: SizeLimit,
  privilegedRole: string,
  failAt: number | null
) {
  const session = yield* sql.session({ applicationName: "compute_ctl:migrations", purpose: "change" })
  const all = migrations(privilegedRole)
  const { last, schema } = yield* lastApplied(session)
  if (last !== null && last >= all.length) return
  /** The limit stays for everybody else as long as there is room: users are at work by now. */
  const roomy = (text: string) =>
    Effect.catchIf(session.script(text), isFull, () =>
      Effect.scoped(Effect.andThen(Effect.andThen(sizeLimit.lifted, sizeLimit.seenBy(session)), session.script(text)))
    )
  if (last === null) yield* roomy(memory(schema))
  for (const migration of all.slice(last ?? 0)) {
    const { id } = migration
    yield* Effect.logInfo(`${migration.sql === null ? "Skipping" : "Running"} migration id=${id}`)
    const text =
      id === failAt ? `${migration.sql ?? "SELECT"}; SELECT 1 OPERATOR(pg_catalog./) 0` : transaction(migration)
    yield* roomy(text).pipe(
      Effect.tapError(() => metrics.increment(dbMigrationFailed, { migration_id: String(id) })),
      Effect.tapError(({ message }) => Effect.logError(`Failed to run migration id=${id}: ${message}`)),
      Effect.mapError((error) => {
        const sqlstate = error._tag === "SqlFailed" ? error.sqlstate : null
        return new MigrationFailed({ id, sqlstate, message: `migration id=${id}: ${error.message}` })
      })
    )
    yield* Effect.logInfo(`Finished migration id=${id}`)
  }
}, Effect.scoped)
