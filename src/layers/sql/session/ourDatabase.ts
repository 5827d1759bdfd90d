/**
 * Sessions in our own database. A spec may give it to a tenant, who may shut it then, or drop or rename it in a moment in
 * which nobody is in it: every session of ours would be refused, and with them all that a control plane asks for. It is
 * opened again from beside; an apply makes it anew where it is gone.
 *
 * Source: PostgreSQL, `src/backend/utils/init/postinit.c` (`CheckMyDatabase`).
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ident } from "../../../domain/postgres/Quote.ts"
import type { SqlFailed } from "../errors.ts"
import type { SqlSession } from "./SqlSession.ts"

type Opening = Effect.Effect<SqlSession, SqlFailed, Scope.Scope>

/** `object_not_in_prerequisite_state`: at login, a database that accepts no connections, or is half dropped. */
const IS_SHUT = "55000"
/** `invalid_catalog_name` */
const IS_GONE = "3D000"

const LOOK = `SELECT datallowconn AS open, datconnlimit OPERATOR(pg_catalog.=) '-2'::pg_catalog.int4 AS invalid
  FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1`

interface Row {
  readonly open: boolean
  readonly invalid: boolean
}

/** What was done about it; null when there was nothing to do, or nothing may be done. */
const restore = Effect.fnUntraced(function* (beside: SqlSession, database: string, mayMake: boolean) {
  const [row] = yield* beside.query<Row>(LOOK, [database])
  if (row !== undefined && !row.invalid) {
    if (row.open) return null
    yield* beside.script(`ALTER DATABASE ${ident(database)} ALLOW_CONNECTIONS true`)
    return "did not accept connections, and does again"
  }
  if (!mayMake) return null
  if (row !== undefined) yield* beside.script(`DROP DATABASE ${ident(database)}`)
  yield* beside.script(`CREATE DATABASE ${ident(database)}`)
  return "was gone, and is made anew"
})

interface Ways {
  readonly name: Effect.Effect<string, SqlFailed>
  /** A session in a database that is always there. */
  readonly beside: Opening
  /** Whether the database may be made, too. */
  readonly mayMake: boolean
}

export const restoring =
  ({ beside, mayMake, name }: Ways) =>
  (opening: Opening): Opening =>
    Effect.catchIf(
      opening,
      ({ sqlstate }) => sqlstate === IS_SHUT || (mayMake && sqlstate === IS_GONE),
      (refused) =>
        Effect.gen(function* () {
          const database = yield* name
          const done = yield* beside.pipe(
            Effect.flatMap((session) => restore(session, database, mayMake)),
            Effect.scoped,
            Effect.mapError(() => refused)
          )
          if (done === null) return yield* refused
          yield* Effect.logWarning(`our own database ${JSON.stringify(database)} ${done}`)
          return yield* opening
        })
    )
