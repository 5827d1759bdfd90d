/**
 * The session of the database that is worked in first, opened while our own session is busy: it needs a backend of its own,
 * and on a server that has just started the first pages of that come from storage.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { stored } from "../../../../domain/catalog/Name.ts"
import type { DatabaseWork } from "../../../../domain/catalog/plan/Step.ts"
import type { Snapshot } from "../../../../domain/catalog/Snapshot.ts"
import type { SqlFailed } from "../../../sql/errors.ts"
import type { SqlSession } from "../../../sql/Sql.ts"

type Open = (database: string) => Effect.Effect<SqlSession, SqlFailed, Scope.Scope>

export interface Ahead {
  /** The session that was opened, for the first who asks for one of its database; a new one for all others. */
  readonly open: Open
  /** Closes what nobody has asked for. */
  readonly over: Effect.Effect<void>
}

/** The first database that is there by now and keeps its name: a session in one that is renamed would be in the way. */
export const firstToVisit = ([work]: ReadonlyArray<DatabaseWork>, { databases }: Snapshot): string | null => {
  if (work === undefined || work.oid === null) return null
  const found = databases.find(({ oid }) => oid === work.oid)
  return found?.connectable === true && found.name === stored(work.database) ? found.name : null
}

/** What the server did not like a while ago it may like now; a wait that was in vain is not begun anew. */
const mayHavePassed = ({ sqlstate }: SqlFailed) => sqlstate !== null && sqlstate !== "55P03"

/** `name`: null opens nothing. */
export const openAhead = (name: string | null, open: Open): Effect.Effect<Ahead, never, Scope.Scope> =>
  Effect.gen(function* () {
    if (name === null) return { open, over: Effect.void }
    const own = yield* Scope.fork(yield* Effect.scope)
    const opening = yield* Effect.forkIn(Scope.provide(open(name), own), own)
    const over = Scope.close(own, Exit.void)
    let isTaken = false
    return {
      open: (database) =>
        Effect.suspend(() => {
          if (isTaken || database !== name) return open(database)
          isTaken = true
          return Effect.addFinalizer(() => over).pipe(
            Effect.andThen(Fiber.join(opening)),
            Effect.catchIf(mayHavePassed, () => open(database))
          )
        }),
      over
    }
  })
