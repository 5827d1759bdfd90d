/**
 * A look into databases that this process has left right: whoever works in one may have made its schema `public` anew
 * since. Most often nothing has changed, and then nothing else has to be opened or lifted for it.
 */
import * as Effect from "effect/Effect"
import type { DatabaseWork, Plan } from "../../../domain/catalog/plan/Step.ts"
import type { Snapshot } from "../../../domain/catalog/Snapshot.ts"
import type { Sql } from "../../sql/Sql.ts"
import { inspect } from "../look/read.ts"

export interface Looking {
  readonly open: (database: string) => ReturnType<typeof Sql.Service.session>
  readonly concurrency: number
  /** Runs before the first of them is opened. */
  readonly pause: Effect.Effect<void>
  readonly privilegedRole: string
}

/**
 * The snapshot with what the look found. A database that cannot be looked into is left out: it is visited like one that
 * nobody knows, and fails there.
 */
export const lookAgain = (
  snapshot: Snapshot,
  plan: Plan,
  isSettled: (work: DatabaseWork) => boolean,
  { open, concurrency, pause, privilegedRole }: Looking
): Effect.Effect<Snapshot> => {
  const works = plan.phases.flatMap(({ databases }) => databases).filter((work) => work.inspect && isSettled(work))
  // A rename of this plan has not been done yet.
  const wanted = new Set(works.map(({ oid }) => oid))
  const names = snapshot.databases.flatMap(({ oid, name }) => (wanted.has(oid) ? [name] : []))
  if (names.length === 0) return Effect.succeed(snapshot)
  const look = Effect.forEach(
    names,
    (name) =>
      open(name).pipe(
        Effect.flatMap((session) => inspect(session, privilegedRole)),
        Effect.scoped,
        Effect.map((found) => [[name, found] as const]),
        Effect.orElseSucceed(() => [])
      ),
    { concurrency }
  )
  return Effect.map(Effect.andThen(pause, look), (found) => ({
    ...snapshot,
    inspections: new Map([...snapshot.inspections, ...found.flat()])
  }))
}
