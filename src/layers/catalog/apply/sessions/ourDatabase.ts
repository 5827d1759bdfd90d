/**
 * The session in our own database. A spec may give that database to a tenant, who may shut it then: every session of ours
 * would be refused, and with them all that a control plane asks for. It is opened again from beside.
 *
 * Source: PostgreSQL, `src/backend/utils/init/postinit.c` (`CheckMyDatabase`).
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { named } from "../../../../domain/catalog/plan/Step.ts"
import { ident } from "../../../../domain/postgres/Quote.ts"
import type { SqlFailed } from "../../../sql/errors.ts"
import type { Sql, SqlSession } from "../../../sql/Sql.ts"

/** `object_not_in_prerequisite_state`: at login, a database that accepts no connections. */
const isShut = ({ sqlstate }: SqlFailed) => sqlstate === "55000"

type Open = (database?: string) => Effect.Effect<SqlSession, SqlFailed, Scope.Scope>

export const openOurs = (sql: Sql["Service"], open: Open): ReturnType<Open> =>
  Effect.catchIf(open(), isShut, (refused) =>
    Effect.gen(function* () {
      const { database } = yield* sql.target({ applicationName: "compute_ctl:apply_config" })
      yield* open("template1").pipe(
        Effect.flatMap((beside) => beside.script(`ALTER DATABASE ${ident(database)} ALLOW_CONNECTIONS true`)),
        Effect.scoped,
        Effect.mapError(() => refused)
      )
      yield* Effect.logWarning(`catalog: ${named("database", database)} did not accept connections, and does again`)
      return yield* open()
    })
  )
