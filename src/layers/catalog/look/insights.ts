/**
 * The slowest statements, as the view of the extension `pg_stat_statements` shows them.
 *
 * Source: `compute_tools/src/compute.rs` (`collect_insights`).
 */
import * as Effect from "effect/Effect"
import { holdSchema, isMovable, partOf, viewFault } from "../../../domain/catalog/Ownership.ts"
import type { SqlFailed } from "../../sql/errors.ts"
import type { SqlSession } from "../../sql/Sql.ts"
import { ensureOurs } from "../ours.ts"

const VIEW = 'view "public.pg_stat_statements"'
const FAULT = viewFault("public", "pg_stat_statements", partOf("pg_stat_statements"))

/** Asked first, so that a compute without the extension does not log an error for every question. */
const LOOK = `SELECT pg_catalog.to_regclass('public.pg_stat_statements') IS NOT NULL AS there,
  ${isMovable("public")} AS movable`

const HOLD = `BEGIN; ${holdSchema("public")}; LOCK TABLE public.pg_stat_statements IN ACCESS SHARE MODE`

/** Counters go beyond what a double holds: a row's text is passed on as the server wrote it. */
const SLOWEST = `SELECT pg_catalog.row_to_json(s)::pg_catalog.text AS row FROM public.pg_stat_statements s
  WHERE s.userid OPERATOR(pg_catalog.<>) (
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) 'cloud_admin')
  ORDER BY s.mean_exec_time OPERATOR(pg_catalog.+) s.mean_plan_time DESC LIMIT 100`

const rows = Effect.fnUntraced(function* (session: SqlSession) {
  const [look] = yield* session.query<{ there: boolean; movable: boolean }>(LOOK)
  if (look?.there !== true) return []
  if (look.movable) yield* session.script(HOLD)
  // A tenant's view of that name would run with our rights.
  yield* ensureOurs(session, VIEW, FAULT)
  return yield* session.query<{ row: string }>(SLOWEST)
})

/** JSON text; an empty list without the extension. */
export const slowest = (session: SqlSession): Effect.Effect<string, SqlFailed> =>
  rows(session).pipe(
    Effect.catchIf(
      (error) => error.sqlstate !== null,
      (error) => Effect.as(Effect.logDebug(`no insights: ${error.message}`), [])
    ),
    Effect.map((found) => `{"pg_stat_statements": [${found.map(({ row }) => row).join(",")}]}`)
  )
