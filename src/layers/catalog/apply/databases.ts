/**
 * Work inside databases: one session each, as many at once as allowed. All of them come to their end, so that a failing one
 * leaves nothing running beside the answer and the others' results are known.
 */
import * as Effect from "effect/Effect"
import type { Inspection } from "../../../domain/catalog/Inspection.ts"
import { stored } from "../../../domain/catalog/Name.ts"
import type { DatabaseWork, PhaseName, Step } from "../../../domain/catalog/plan/Step.ts"
import { named, step } from "../../../domain/catalog/plan/Step.ts"
import type { SqlFailed } from "../../sql/errors.ts"
import type { Sql, SqlSession } from "../../sql/Sql.ts"
import { inspect } from "../look/read.ts"
import { type Execution, execute, LOST } from "./execute.ts"
import { fails } from "./failure.ts"
import type { Failure } from "./journal/journal.ts"

export interface DatabaseVisits {
  readonly open: (database: string) => ReturnType<typeof Sql.Service.session>
  readonly privilegedRole: string
  readonly execution: Execution
  /** What an inspection leads to. */
  readonly decide: (work: DatabaseWork, found: Inspection) => ReadonlyArray<Step>
  readonly succeeded: (work: DatabaseWork, found: Inspection) => Effect.Effect<void>
  /** Waits until it is known whether the database of a work exists. */
  readonly born: (work: DatabaseWork) => Effect.Effect<void>
  /** A database may be gone that a delta operation names; then there is nothing to do in it. */
  readonly mayBeGone: boolean
}

const INVALID_CATALOG_NAME = "3D000"

const visit = (phase: PhaseName, work: DatabaseWork, { execution, ...visits }: DatabaseVisits) => {
  const { journal } = execution
  const look = step(named("database", work.database), "a session in it is needed", "", { database: work.database })
  const pass = Effect.fnUntraced(function* (because: string) {
    // What has no steps yet would be missing from the report altogether.
    if (work.steps.length === 0) yield* journal.found(phase, [look])
    yield* journal.skipped(work.steps.length === 0 ? [look] : work.steps, because)
  })
  const unseen = (error: SqlFailed): Effect.Effect<ReadonlyArray<Failure>> =>
    Effect.gen(function* () {
      if (visits.mayBeGone && error.sqlstate === INVALID_CATALOG_NAME) {
        yield* Effect.logWarning(`${look.object} does not exist: skipped`)
        yield* journal.done(work.steps)
        return []
      }
      yield* journal.found(phase, [look])
      const failures = yield* fails(execution, { phase, step: look }, error)
      const open = work.steps.filter((one) => !journal.isDone(one))
      yield* journal.skipped(open, error.sqlstate === null ? LOST : `${look.object} cannot be entered`)
      return failures
    })
  const run = (session: SqlSession, steps: ReadonlyArray<Step>) =>
    execute(
      session,
      steps.map((one) => ({ phase, step: one })),
      execution
    )
  return Effect.gen(function* () {
    yield* visits.born(work)
    const because = journal.obstacle(work.needs)
    if (because !== null) return yield* Effect.as(pass(because), [])
    const session = yield* visits.open(stored(work.database))
    yield* journal.visited
    if (!work.inspect) return yield* run(session, work.steps)
    const found = yield* inspect(session, visits.privilegedRole)
    const more = visits.decide(work, found)
    yield* journal.found(phase, more)
    const steps = [...work.steps, ...more]
    const failures = yield* run(session, steps)
    if (steps.every(journal.isDone)) yield* visits.succeeded(work, found)
    return failures
  }).pipe(
    Effect.scoped,
    Effect.catch(unseen),
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
