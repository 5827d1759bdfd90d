/**
 * Creates databases. Each copies a template through storage, so several are made at once, on sessions of their own; the
 * server allows it as long as nobody is connected to the template.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { DatabaseWork } from "../../../domain/catalog/plan/Step.ts"
import type { SqlFailed } from "../../sql/errors.ts"
import type { SqlSession } from "../../sql/Sql.ts"
import { type Execution, execute, isLost, LOST } from "./execute.ts"
import type { Item } from "./failure.ts"
import type { Failure } from "./journal/journal.ts"

const SESSIONS = 4
/** Another session costs about as much as creating a database. */
const PER_SESSION = 4

type Open = () => Effect.Effect<SqlSession, SqlFailed, Scope.Scope>

/** Tells whoever waits for a database that its creation was tried. */
export interface Births {
  readonly of: (work: DatabaseWork) => Effect.Effect<void>
  readonly told: (database: string) => Effect.Effect<void>
  /** Nothing more is going to be created. */
  readonly over: Effect.Effect<void>
}

export const makeBirths = (works: ReadonlyArray<DatabaseWork>): Effect.Effect<Births> =>
  Effect.gen(function* () {
    const gates = new Map<string, Deferred.Deferred<void>>()
    for (const { oid, database } of works) if (oid === null) gates.set(database, yield* Deferred.make<void>())
    return {
      of: ({ database }) => {
        const gate = gates.get(database)
        return gate === undefined ? Effect.void : Deferred.await(gate)
      },
      told: (database) => {
        const gate = gates.get(database)
        return gate === undefined ? Effect.void : Effect.asVoid(Deferred.succeed(gate, undefined))
      },
      over: Effect.forEach(gates.values(), (gate) => Deferred.succeed(gate, undefined), { discard: true })
    }
  })

/** A database may be the template of a later one of the list: then their order counts. */
export const dependOnOrder = (items: ReadonlyArray<Item>): boolean =>
  items.some(({ step }) => step.source !== null && !/^template[01]$/.test(step.source))

/** Sessions for creating, the one of the system database included. */
export const sessionsFor = (items: ReadonlyArray<Item>, concurrency: number): number => {
  if (dependOnOrder(items)) return 1
  const creates = items.filter(({ step }) => step.creates !== null).length
  return Math.max(1, Math.min(SESSIONS, concurrency, Math.floor(creates / PER_SESSION)))
}

export const createDatabases = (
  main: SqlSession,
  items: ReadonlyArray<Item>,
  sessions: number,
  open: Open,
  births: Births,
  execution: Execution
): Effect.Effect<ReadonlyArray<Failure>> =>
  Effect.gen(function* () {
    const altered = yield* execute(
      main,
      items.filter(({ step }) => step.creates === null),
      execution
    )
    // One that cannot be opened is done without.
    const others = yield* Effect.forEach(Array.from({ length: sessions - 1 }), () => Effect.option(open()), {
      concurrency: "unbounded"
    })
    const free = yield* Queue.unbounded<SqlSession>()
    yield* Queue.offerAll(free, [
      main,
      ...others.flatMap((session) => (session._tag === "Some" ? [session.value] : []))
    ])
    let lost = altered.some(isLost)
    const create = Effect.fnUntraced(function* (session: SqlSession, item: Item) {
      if (lost) return yield* Effect.as(execution.journal.skipped([item.step], LOST), [])
      const failures = yield* execute(session, [item], execution)
      lost ||= failures.some(isLost)
      if (item.step.creates !== null) yield* births.told(item.step.creates)
      return failures
    })
    const created = yield* Effect.forEach(
      items.filter(({ step }) => step.creates !== null),
      (item) =>
        Effect.acquireUseRelease(
          Queue.take(free),
          (session) => create(session, item),
          (session) => Queue.offer(free, session)
        ),
      { concurrency: sessions }
    )
    return [...altered, ...created.flat()]
  }).pipe(Effect.ensuring(births.over), Effect.scoped)
