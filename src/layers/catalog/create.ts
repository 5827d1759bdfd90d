/**
 * Creates databases. Each copies a template through storage, so several are made at once, on sessions of their own; the
 * server allows it as long as nobody is connected to the template.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { SqlSession } from "../Sql.ts"
import type { SqlFailed } from "../sql/SqlFailed.ts"
import { execute, type Item } from "./execute.ts"
import type { Failure, Journal } from "./journal.ts"

const SESSIONS = 4
/** Another session costs about as much as creating a database. */
const PER_SESSION = 4

type Open = () => Effect.Effect<SqlSession, SqlFailed, Scope.Scope>

const isCreate = ({ step }: Item) => step.alone

/** A database may be the template of a later one of the list: then their order counts. */
const dependsOnOrder = (items: ReadonlyArray<Item>): boolean =>
  items.some(({ step }) => / TEMPLATE (?!"?template[01]\b)/i.test(step.sql))

export const createDatabases = (
  main: SqlSession,
  items: ReadonlyArray<Item>,
  concurrency: number,
  open: Open,
  journal: Journal
): Effect.Effect<ReadonlyArray<Failure>> =>
  Effect.gen(function* () {
    const creates = items.filter(isCreate)
    const wanted = Math.min(SESSIONS, concurrency, Math.floor(creates.length / PER_SESSION))
    if (wanted < 2 || dependsOnOrder(creates)) return yield* execute(main, items, journal)
    const altered = yield* execute(
      main,
      items.filter((item) => !isCreate(item)),
      journal
    )
    const others = yield* Effect.forEach(Array.from({ length: wanted - 1 }), () => Effect.option(open()), {
      concurrency: "unbounded"
    })
    const free = yield* Queue.unbounded<SqlSession>()
    yield* free.offerAll([main, ...others.flatMap((session) => (session._tag === "Some" ? [session.value] : []))])
    const created = yield* Effect.forEach(
      creates,
      (item) =>
        Effect.acquireUseRelease(
          free.take,
          (session) => execute(session, [item], journal),
          (session) => free.offer(session)
        ),
      { concurrency: wanted }
    )
    return [...altered, ...created.flat()]
  }).pipe(Effect.scoped)
