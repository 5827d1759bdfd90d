/**
 * What keeps a database from being dropped: Postgres says how many there are, and not which.
 */
import * as Effect from "effect/Effect"
import type { SqlFailed } from "../../../sql/errors.ts"
import type { SqlSession } from "../../../sql/Sql.ts"
import { OBJECT_IN_USE } from "../failure.ts"
import { withDetail } from "./blockers.ts"

/** `$1`: the database. */
const HOLDERS = `SELECT kind, name FROM (
    SELECT 'replication slot' AS kind, s.slot_name::pg_catalog.text AS name FROM pg_catalog.pg_replication_slots AS s
      WHERE s.database OPERATOR(pg_catalog.=) $1::pg_catalog.name
    UNION ALL
    SELECT 'prepared transaction', p.gid FROM pg_catalog.pg_prepared_xacts AS p
      WHERE p.database OPERATOR(pg_catalog.=) $1::pg_catalog.name
    UNION ALL
    SELECT 'subscription', s.subname::pg_catalog.text FROM pg_catalog.pg_subscription AS s
      JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) s.subdbid
      WHERE d.datname OPERATOR(pg_catalog.=) $1::pg_catalog.name
    UNION ALL
    SELECT 'session', pg_catalog.concat('pid ', a.pid, ' (', a.application_name, ')')
      FROM pg_catalog.pg_stat_get_activity(NULL) AS a
      JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) a.datid
      WHERE d.datname OPERATOR(pg_catalog.=) $1::pg_catalog.name
  ) AS holders ORDER BY kind, name LIMIT 20`

const listed = (rows: ReadonlyArray<{ readonly kind: string; readonly name: string }>) =>
  rows.map(({ kind, name }) => `${kind} ${JSON.stringify(name.slice(0, 200))}`).join(", ")

/** Adds to the error of a database in use who uses it. */
export const namingHolders = (
  session: SqlSession,
  database: string,
  statement: Effect.Effect<void, SqlFailed>
): Effect.Effect<void, SqlFailed> =>
  Effect.catchIf(
    statement,
    (error) => error.sqlstate === OBJECT_IN_USE,
    (error) =>
      session.query<{ kind: string; name: string }>(HOLDERS, [database]).pipe(
        Effect.orElseSucceed(() => []),
        Effect.flatMap((rows) =>
          Effect.fail(rows.length === 0 ? error : withDetail(error, `It is held by ${listed(rows)}.`))
        )
      )
  )
