/**
 * The session of an apply in our own database. Where the tenants have left no connection but the reserved ones, it is given
 * up while another database is worked on, so that an apply never has more than one.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { SqlFailed } from "../../../sql/errors.ts"
import type { SqlSession } from "../../../sql/Sql.ts"

export interface MainSession {
  /** Opened when there is none. */
  readonly get: Effect.Effect<SqlSession, SqlFailed>
  readonly giveUp: Effect.Effect<void>
}

export const makeMainSession = (
  open: Effect.Effect<SqlSession, SqlFailed, Scope.Scope>
): Effect.Effect<MainSession, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let current: { readonly session: SqlSession; readonly own: Scope.Closeable } | null = null
    return {
      get: Effect.suspend(() =>
        current !== null
          ? Effect.succeed(current.session)
          : Effect.gen(function* () {
              const own = yield* Scope.fork(scope)
              const session = yield* Scope.provide(open, own)
              current = { session, own }
              return session
            })
      ),
      giveUp: Effect.suspend(() => {
        const given = current
        current = null
        return given === null ? Effect.void : Scope.close(given.own, Exit.void)
      })
    }
  })
