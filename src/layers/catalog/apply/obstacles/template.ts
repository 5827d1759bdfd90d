/**
 * CREATE DATABASE copies a template that nobody may be connected to. It waits five seconds for others to leave, and keeps
 * new ones out meanwhile: whoever lingers in `template1` is sent away then, and a transaction that was prepared there, which
 * no restart ends, is rolled back.
 *
 * Source: PostgreSQL, `src/backend/commands/dbcommands.c` (`createdb`), `CountOtherDBBackends`.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Step } from "../../../../domain/catalog/plan/Step.ts"
import { literal } from "../../../../domain/postgres/Quote.ts"
import type { SqlFailed } from "../../../sql/errors.ts"
import type { SqlSession } from "../../../sql/Sql.ts"
import { OBJECT_IN_USE } from "../failure.ts"
import type { Look } from "./Look.ts"

/** A template of the cluster's own; another one is a database that somebody works with. */
const isCommon = (source: string | null): source is string => source === "template1" || source === "template0"

/** Before that, CREATE DATABASE is most likely just copying. */
const GRACE = "300 millis"
const AGAIN = "300 millis"
const RETRIES = 2

/** Those of replication, too, of which any may be without a state. */
const OF_CLIENTS = "a.backend_type OPERATOR(pg_catalog.=) ANY (ARRAY['client backend', 'walsender'])"

/** What a session does that may be ended: first the idle ones, and when that was not enough those at work too. */
type Which = "idle" | "all"

const LINGERING = `SELECT a.pid, pg_catalog.pg_terminate_backend(a.pid) AS ended,
    coalesce(a.application_name, '') AS application
  FROM pg_catalog.pg_stat_get_activity(NULL) AS a
  JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) a.datid
  WHERE d.datname OPERATOR(pg_catalog.=) $1::pg_catalog.name
    AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
    AND ${OF_CLIENTS}
    AND ($2::pg_catalog.bool OR a.state IS NULL
      OR a.state OPERATOR(pg_catalog.=) ANY (ARRAY['idle', 'idle in transaction', 'idle in transaction (aborted)', 'disabled']))`

const sendAway = (session: SqlSession, source: string, which: Which) =>
  session
    .query<{ pid: number; application: string }>(LINGERING, [source, which === "all"])
    .pipe(
      Effect.flatMap((ended) =>
        ended.length === 0
          ? Effect.void
          : Effect.logWarning(
              `catalog: ended sessions in ${source}, which is to be copied: ${ended
                .map(({ pid, application }) => `pid ${pid}, application ${JSON.stringify(application)}`)
                .join("; ")}`
            )
      )
    )

const PREPARED = `SELECT p.gid FROM pg_catalog.pg_prepared_xacts AS p
  WHERE p.database OPERATOR(pg_catalog.=) $1::pg_catalog.name`

/** Only in its own database can it be ended. */
const rollBack = (look: Look, session: SqlSession, source: string) =>
  session.query<{ gid: string }>(PREPARED, [source]).pipe(
    Effect.flatMap((prepared) =>
      prepared.length === 0
        ? Effect.void
        : Effect.andThen(
            Effect.logWarning(
              `catalog: rolled back in ${source}, which is to be copied: ${prepared
                .map(({ gid }) => `prepared transaction ${JSON.stringify(gid)}`)
                .join("; ")}`
            ),
            Effect.flatMap(look(source), (inside) =>
              Effect.forEach(prepared, ({ gid }) => inside.script(`ROLLBACK PREPARED ${literal(gid)}`), {
                discard: true
              })
            )
          )
    ),
    Effect.scoped
  )

/** Runs the creation of a database; `look` opens a session beside it. */
export const withTemplate = (
  look: Look,
  session: SqlSession,
  { source }: Step,
  create: Effect.Effect<void, SqlFailed>
): Effect.Effect<void, SqlFailed> => {
  if (!isCommon(source)) return create
  const usher = (which: Which) =>
    look().pipe(
      Effect.flatMap((beside) => Effect.repeat(sendAway(beside, source, which), Schedule.spaced(AGAIN))),
      Effect.scoped,
      Effect.delay(GRACE),
      // Without a session of its own, the next try sends them away first.
      Effect.catch(() => Effect.never),
      Effect.andThen(Effect.never)
    )
  const attempt = (which: Which) => Effect.raceFirst(create, usher(which))
  const isUsed = (error: SqlFailed) => error.sqlstate === OBJECT_IN_USE
  const clear = Effect.andThen(
    Effect.ignore(sendAway(session, source, "all")),
    Effect.ignore(rollBack(look, session, source))
  )
  const again = Effect.andThen(clear, attempt("all"))
  return attempt("idle").pipe(Effect.catchIf(isUsed, () => Effect.retry(again, { while: isUsed, times: RETRIES - 1 })))
}
