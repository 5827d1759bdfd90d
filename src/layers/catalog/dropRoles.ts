/**
 * Drops roles, and first whatever refers to them in any database of the server. What that is is looked up now: a role may
 * have got more while the apply was running, or its name only by it.
 *
 * Source: `compute_tools/src/spec_apply.rs` (`DeleteDBRoleReferences`, `DropRoles`).
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  clearRole,
  giveAway,
  type OwnedDatabase,
  passOnMuch,
  type Reference
} from "../../domain/catalog/dropped/doomedRoles.ts"
import { stored } from "../../domain/catalog/Name.ts"
import { named, type PhaseName, type Step, step } from "../../domain/catalog/plan/Step.ts"
import { SqlFailed } from "../sql/errors.ts"
import type { SqlSession } from "../sql/Sql.ts"
import { type Execution, execute, isLost, LOST } from "./apply/execute.ts"
import { fails, type Item } from "./apply/failure.ts"
import type { Failure } from "./apply/journal/journal.ts"
import type { MainSession } from "./apply/sessions/mainSession.ts"

const PHASE: PhaseName = "drop roles"
/** A session of a doomed role may make something new between the look and the drop. */
const ROUNDS = 3
const DEPENDENT_OBJECTS_STILL_EXIST = "2BP01"

/** The server does not let go of its own roles, nor of the one that is asking. */
const DROPPABLE = `r.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
    AND r.rolname OPERATOR(pg_catalog.<>) current_user AND r.rolname OPERATOR(pg_catalog.<>) session_user
    AND r.rolname OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.name[])`

const OWNED = `SELECT r.rolname AS role, d.datname AS database, current_user AS heir
  FROM pg_catalog.pg_database AS d JOIN pg_catalog.pg_authid AS r ON r.oid OPERATOR(pg_catalog.=) d.datdba
  WHERE ${DROPPABLE} ORDER BY d.oid`

/**
 * What a role owned in a database of ours must not become a superuser's: its functions, index expressions and defaults
 * would run with a superuser's rights.
 */
const REFERENCES = `SELECT r.rolname AS role, d.datname AS database, d.oid,
    pg_catalog.count(*) FILTER (WHERE s.deptype OPERATOR(pg_catalog.=) 'o')::pg_catalog.int4 AS owned,
    d.datallowconn AND d.datconnlimit OPERATOR(pg_catalog.<>) -2 AS enterable,
    CASE WHEN o.rolsuper AND NOT r.rolsuper OR o.rolname OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.name[])
      THEN $2::pg_catalog.name ELSE o.rolname END AS heir
  FROM pg_catalog.pg_shdepend AS s
    JOIN pg_catalog.pg_authid AS r ON r.oid OPERATOR(pg_catalog.=) s.refobjid
    JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) s.dbid
      OR (s.dbid OPERATOR(pg_catalog.=) 0::pg_catalog.oid
        AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
    JOIN pg_catalog.pg_authid AS o ON o.oid OPERATOR(pg_catalog.=) d.datdba
  WHERE s.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_authid'::pg_catalog.regclass AND ${DROPPABLE}
  GROUP BY r.oid, r.rolname, r.rolsuper, d.oid, d.datname, d.datallowconn, d.datconnlimit, o.oid, o.rolname, o.rolsuper
  ORDER BY d.oid, role`

/** Who is deleted does not stay, and what its transactions hold would keep the role. */
const SESSIONS = `SELECT r.rolname AS role, pg_catalog.count(pg_catalog.pg_terminate_backend(a.pid))::pg_catalog.int4 AS ended
  FROM pg_catalog.pg_stat_get_activity(NULL) AS a JOIN pg_catalog.pg_authid AS r ON r.oid OPERATOR(pg_catalog.=) a.usesysid
  WHERE ${DROPPABLE} GROUP BY r.rolname`

interface Asking {
  readonly session: SqlSession
  readonly privilegedRole: string
}

export const ownedDatabases = ({ session }: Asking, roles: ReadonlyArray<string>) =>
  session.query<OwnedDatabase>(OWNED, [roles])

export const references = ({ session, privilegedRole }: Asking, roles: ReadonlyArray<string>) =>
  session.query<Reference>(REFERENCES, [roles, privilegedRole])

const endSessions = ({ session }: Asking, roles: ReadonlyArray<string>) =>
  Effect.flatMap(session.query<{ role: string; ended: number }>(SESSIONS, [roles]), (found) =>
    Effect.forEach(
      found,
      ({ role, ended }) =>
        Effect.logWarning(`catalog: ended ${ended} sessions of ${named("role", role)}, which is to be deleted`),
      { discard: true }
    )
  )

export interface RoleDrops {
  /** In its database objects of the whole cluster are cleared. */
  readonly main: MainSession
  /** Runs before other databases are entered. */
  readonly pause: Effect.Effect<void>
  readonly open: (database: string) => Effect.Effect<SqlSession, SqlFailed, Scope.Scope>
  readonly execution: Execution
  readonly concurrency: number
  readonly privilegedRole: string
  /** `server_version_num`. */
  readonly version: number
}

const itemsOf = (steps: ReadonlyArray<Step>): ReadonlyArray<Item> => steps.map((one) => ({ phase: PHASE, step: one }))

const roleOf = ({ step: { doomed } }: Item): string => doomed ?? ""

/** By database, in the order of the rows. */
const byDatabase = (found: ReadonlyArray<Reference>): ReadonlyArray<readonly [string, ReadonlyArray<Reference>]> => {
  const all = new Map<string, Array<Reference>>()
  for (const reference of found) all.set(reference.database, [...(all.get(reference.database) ?? []), reference])
  return [...all]
}

const shut = ({ database, role }: Reference) =>
  new SqlFailed({
    message:
      `${named("role", role)} has objects or privileges in ${named("database", database)}, ` +
      "which does not accept connections",
    sqlstate: DEPENDENT_OBJECTS_STILL_EXIST,
    hint: `ALTER DATABASE ... ALLOW_CONNECTIONS true`,
    detail: null
  })

export const dropRoles = (drops: RoleDrops, items: ReadonlyArray<Item>): Effect.Effect<ReadonlyArray<Failure>> => {
  const { execution, main, open, privilegedRole, version } = drops
  const { journal, system } = execution
  const asking = Effect.map(main.get, (session) => ({ session, privilegedRole }))

  const failed = (one: Step, error: SqlFailed) => fails(execution, { phase: PHASE, step: one }, error)

  const run = (session: SqlSession, steps: ReadonlyArray<Step>) =>
    Effect.andThen(journal.found(PHASE, steps), execute(session, itemsOf(steps), execution))

  const clearIn = (database: string, found: ReadonlyArray<Reference>): Effect.Effect<ReadonlyArray<Failure>> => {
    const unentered = (error: (reference: Reference) => SqlFailed) =>
      Effect.forEach(found, (reference) => {
        const look = step(named("role", reference.role), "to be deleted: a session is needed", "", { database })
        return Effect.andThen(journal.found(PHASE, [look]), failed(look, error(reference)))
      }).pipe(Effect.map((all) => all.flat()))
    if (!found.every(({ enterable }) => enterable)) return unentered(shut)
    const clear = (session: SqlSession) =>
      run(
        session,
        found.flatMap((reference) => [...passOnMuch(reference), clearRole(reference, version)])
      )
    return (database === system ? main.get : open(stored(database))).pipe(
      Effect.flatMap(clear),
      Effect.scoped,
      Effect.catch((error) => unentered(() => error)),
      Effect.withSpan("catalog database", { attributes: { database } })
    )
  }

  const clear = (roles: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Failure>, SqlFailed> =>
    Effect.gen(function* () {
      yield* Effect.flatMap(asking, (asked) => endSessions(asked, roles))
      const owned = yield* Effect.flatMap(asking, (asked) => ownedDatabases(asked, roles))
      const given = yield* run(yield* main.get, owned.map(giveAway))
      if (given.some(isLost)) return given
      const found = byDatabase(yield* Effect.flatMap(asking, (asked) => references(asked, roles)))
      // Objects of the whole cluster first, and by one session: others would run into its changes.
      const here = yield* Effect.forEach(
        found.filter(([database]) => database === system),
        ([database, all]) => clearIn(database, all)
      )
      const elsewhere = found.filter(([database]) => database !== system)
      if (elsewhere.length > 0) yield* drops.pause
      const there = yield* Effect.forEach(elsewhere, ([database, all]) => clearIn(database, all), {
        concurrency: Math.max(1, drops.concurrency)
      })
      return [...given, ...here.flat(), ...there.flat()]
    })

  const dropAll = (items: ReadonlyArray<Item>): Effect.Effect<ReadonlyArray<Failure>> => {
    const [first, ...rest] = items
    if (first === undefined) return Effect.succeed([])
    return main.get.pipe(
      Effect.flatMap((session) => execute(session, items, execution)),
      Effect.catch((error) =>
        Effect.andThen(
          journal.skipped(
            rest.map(({ step: one }) => one),
            LOST
          ),
          failed(first.step, error)
        )
      )
    )
  }

  const round = (left: ReadonlyArray<Item>, rounds: number): Effect.Effect<ReadonlyArray<Failure>> =>
    Effect.gen(function* () {
      const roles = left.filter(({ step: { refused } }) => refused === null).map(roleOf)
      const uncleared = yield* Effect.catch(clear(roles), (error) =>
        Effect.map(
          Effect.forEach(left, ({ step: one }) => failed(one, error)),
          (all) => all.flat()
        )
      )
      // DROP ROLE would only say once more that something is left.
      const isCleared = ({ step: { object } }: Item) => !uncleared.some((failure) => failure.object === object)
      const ready = left.filter(isCleared)
      const others = left.filter((item) => !isCleared(item)).map(({ step: one }) => one)
      yield* journal.skipped(others, "something of it is left in a database")
      const undropped = yield* dropAll(ready)
      const again = ready.filter(({ step: { object } }) =>
        undropped.some(
          (failure) => failure.object === object && failure.error.sqlstate === DEPENDENT_OBJECTS_STILL_EXIST
        )
      )
      if (again.length === 0 || rounds <= 1) return [...uncleared, ...undropped]
      yield* journal.undone(again.map(({ step: one }) => one))
      const final = undropped.filter(({ object }) => !again.some((item) => item.step.object === object))
      return [...uncleared, ...final, ...(yield* round(again, rounds - 1))]
    })

  return items.length === 0 ? Effect.succeed([]) : round(items, ROUNDS)
}
