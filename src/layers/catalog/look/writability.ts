/**
 * A write that has to reach the safekeepers.
 *
 * Source: `compute_tools/src/checker.rs` (`check_writability`).
 */
import * as Effect from "effect/Effect"
import { healthCheck, holdSchema, isOpen, tableName, writeFault } from "../../../domain/catalog/Ownership.ts"
import { named } from "../../../domain/catalog/plan/Step.ts"
import type { SqlFailed } from "../../sql/errors.ts"
import type { SqlSession } from "../../sql/Sql.ts"
import { faultOf } from "../ours.ts"

/** From here to the end of the transaction the name stands for one table, and nobody can change that. */
const HOLD = `BEGIN; ${holdSchema("public")}; LOCK TABLE public.health_check IN ROW EXCLUSIVE MODE`
const WRITE = `INSERT INTO public.health_check (id, updated_at) VALUES (1, pg_catalog.now())
  ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at; COMMIT`
/** A record of its own in the WAL, in nobody's table; its commit waits as any other. */
const WRITE_NOWHERE = "ROLLBACK; SELECT pg_catalog.pg_logical_emit_message(true, 'compute_ctl', ''::pg_catalog.text)"

/** Something other than a table or a view. */
const WRONG_OBJECT_TYPE = "42809"
const UNDEFINED_TABLE = "42P01"

/** Where nobody but us could have it made and dropped, a table that is missing is our fault. */
const missing = (session: SqlSession, error: SqlFailed): Effect.Effect<string, SqlFailed> =>
  session.script("ROLLBACK").pipe(
    Effect.andThen(session.query<{ open: boolean }>(`SELECT ${isOpen("public")} AS open`)),
    Effect.flatMap(([row]) => (row?.open === true ? Effect.succeed("somebody has removed it, or has its name") : error))
  )

/**
 * Where the table is not ours, or has a trigger, it is not touched: whatever its owner has attached to it would run with
 * our rights. Whether the compute can write is found out all the same.
 */
export const write = (session: SqlSession): Effect.Effect<void, SqlFailed> =>
  Effect.gen(function* () {
    const fault = yield* session.script(HOLD).pipe(
      Effect.andThen(faultOf(session, writeFault(healthCheck))),
      Effect.catchIf(
        (error) => error.sqlstate === WRONG_OBJECT_TYPE,
        () => Effect.succeed("it is no table")
      ),
      Effect.catchIf(
        (error) => error.sqlstate === UNDEFINED_TABLE,
        (error) => missing(session, error)
      )
    )
    if (fault === null) return yield* session.script(WRITE)
    yield* Effect.logWarning(`${named("table", tableName(healthCheck))} is not ours: ${fault}; it is not written to`)
    yield* session.script(WRITE_NOWHERE)
  })
