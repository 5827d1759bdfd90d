/**
 * What others, or we ourselves, may put in the way of a statement.
 */

import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Step } from "../../../../domain/catalog/plan/Step.ts"
import type { SqlFailed } from "../../../sql/errors.ts"
import type { SqlSession } from "../../../sql/Sql.ts"
import { LOCK_NOT_AVAILABLE, met } from "../failure.ts"
import type { Journal } from "../journal/journal.ts"
import { makeBlockers } from "./blockers.ts"
import { heard } from "./deaf.ts"
import { namingHolders } from "./holders.ts"
import type { Look } from "./Look.ts"
import { withTemplate } from "./template.ts"

export interface Obstacles {
  /** Runs the statement of some steps, with what can be done about its obstacles. */
  readonly around: (
    session: SqlSession,
    steps: ReadonlyArray<Step>,
    statement: Effect.Effect<void, SqlFailed>
  ) => Effect.Effect<void, SqlFailed>
}

/** By then the other one is through. */
const RETRIES = 2

/**
 * The first lock that cannot be had is waited for as long as a session may. Whoever holds one holds more: from then on a
 * moment has to do, so that the locks of one tenant cost an apply their time once, not for each of his databases.
 */
const IMPATIENT = "SET lock_timeout = 2000"

const makePatience = () => {
  let spent = false
  const impatient = new WeakSet<SqlSession>()
  return {
    note: ({ sqlstate }: SqlFailed) =>
      Effect.sync(() => {
        spent ||= sqlstate === LOCK_NOT_AVAILABLE
      }),
    adapt: (session: SqlSession) =>
      Effect.suspend(() => {
        if (!spent || impatient.has(session)) return Effect.void
        impatient.add(session)
        return session.script(IMPATIENT)
      })
  }
}

export const makeObstacles = (
  journal: Journal,
  look: Look,
  note: (text: string | null) => Effect.Effect<void>
): Effect.Effect<Obstacles, never, Scope.Scope> =>
  Effect.gen(function* () {
    const blockers = yield* makeBlockers(journal, look(), note)
    const patience = makePatience()
    const turn = yield* Semaphore.make(1)
    return {
      around: (session, steps, statement) => {
        const watched = Effect.andThen(patience.adapt(session), blockers.watched(session, steps, statement)).pipe(
          Effect.tapError(patience.note),
          Effect.retry({ while: met, times: RETRIES })
        )
        const [step] = steps
        if (step === undefined || steps.length > 1) return watched
        if (step.creates !== null) return withTemplate(look, session, step, watched)
        if (step.drops !== null) return namingHolders(session, step.drops, heard(look, session, watched))
        return step.serial ? turn.withPermits(1)(watched) : watched
      }
    }
  })
