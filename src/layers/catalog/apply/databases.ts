/**
 * Work inside databases: one session each, as many at once as allowed. All of them come to their end, so that a failing one
 * leaves nothing running beside the answer and the others' results are known.
 */
import * as Effect from "effect/Effect"
import type { Inspection } from "../../../domain/catalog/Inspection.ts"
import { stored } from "../../../domain/catalog/Name.ts"
import type { DatabaseWork, PhaseName, Step } from "../../../domain/catalog/plan/Step.ts"
import { named, step } from "../../../domain/catalog/plan/Step.ts"
import type { Sql, SqlSession } from "../../sql/Sql.ts"
import type { SqlFailed } from "../../sql/SqlFailed.ts"
import { inspect } from "../look/read.ts"
import { execute } from "./execute.ts"
import type { Failure, Journal } from "./journal.ts"

export interface DatabaseVisits {
  readonly open: (database: string) => ReturnType<typeof Sql.Service.session>
  readonly privilegedRole: string
  readonly journal: Journal
  /** What an inspection leads to. */
  readonly decide: (work: DatabaseWork, found: Inspection) => ReadonlyArray<Step>
  readonly succeeded: (work: DatabaseWork, found: Inspection) => Effect.Effect<void>
  /** Whether the database of a work exists, once that is known. */
  readonly born: (work: DatabaseWork) => Effect.Effect<boolean>
  /** A database may be gone that a delta operation names; then there is nothing to do in it. */
  readonly mayBeGone: boolean
}

const INVALID_CATALOG_NAME = "3D000"

const visit = (phase: PhaseName, work: DatabaseWork, { journal, ...visits }: DatabaseVisits) => {
  const look = step(named("database", work.database), "a session in it is needed", "", { database: work.database })
  const unseen = (error: SqlFailed) => {
    if (visits.mayBeGone && error.sqlstate === INVALID_CATALOG_NAME) {
      return Effect.as(Effect.logWarning(`${look.object} does not exist: skipped`), [])
    }
    return journal
      .found(phase, [look])
      .pipe(Effect.andThen(journal.failed(look, error)), Effect.as([{ phase, object: look.object, error }]))
  }
  const run = (session: SqlSession, steps: ReadonlyArray<Step>) =>
    execute(
      session,
      steps.map((one) => ({ phase, step: one })),
      journal
    )
  return Effect.gen(function* () {
    if (!(yield* visits.born(work))) return []
    const session = yield* visits.open(stored(work.database))
    yield* journal.visited
    if (!work.inspect) return yield* run(session, work.steps)
    const found = yield* inspect(session, visits.privilegedRole)
    const more = visits.decide(work, found)
    yield* journal.found(phase, more)
    const failures = yield* run(session, [...work.steps, ...more])
    if (failures.length === 0) yield* visits.succeeded(work, found)
    return failures
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => Effect.map(unseen(error), (failures): ReadonlyArray<Failure> => failures)),
    Effect.withSpan("catalog database", { attributes: { database: work.database } })
  )
}

/** Succeeds with what failed, in the order of the work. */
export const visitDatabases = (
  phase: PhaseName,
  works: ReadonlyArray<DatabaseWork>,
  concurrency: number,
  visits: DatabaseVisits
): Effect.Effect<ReadonlyArray<Failure>> =>
  Effect.map(
    Effect.forEach(works, (work) => visit(phase, work, visits), { concurrency: Math.max(1, concurrency) }),
    (failures) => failures.flat()
  )
