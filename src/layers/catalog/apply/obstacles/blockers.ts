/**
 * Looks who holds the locks that statements of an apply wait for, so that an operator sees whom to ask: while it waits,
 * and in the error when it has given up.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Blocker, describeAll } from "../../../../domain/catalog/Blocker.ts"
import type { Step } from "../../../../domain/catalog/plan/Step.ts"
import { SqlFailed } from "../../../sql/errors.ts"
import type { SqlSession } from "../../../sql/Sql.ts"
import { LOCK_NOT_AVAILABLE } from "../failure.ts"
import type { Journal } from "../journal/journal.ts"

/** A statement that has run for that long may be waiting. */
const SLOW_MS = 500
const EVERY = Duration.millis(500)
/** As long as nothing new is found. */
const LATER = Duration.seconds(5)

/**
 * A prepared transaction has no backend: `pg_blocking_pids` gives 0 for it, and `pg_locks` its transaction as `-1/xid`.
 * `$1`: backends.
 */
const QUERY = `SELECT waiting.pid,
    (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'pid', a.pid, 'application', coalesce(a.application_name, ''),
        'user', pg_catalog.pg_get_userbyid(a.usesysid), 'state', a.state, 'since', ${iso("a.xact_start")}))
      FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(waiting.pid)) AS blocking(pid)
      JOIN pg_catalog.pg_stat_get_activity(NULL) AS a ON a.pid OPERATOR(pg_catalog.=) blocking.pid)::pg_catalog.text AS sessions,
    (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'pid', NULL, 'application', p.gid, 'user', p.owner, 'state', NULL, 'since', ${iso("p.prepared")}))
      FROM pg_catalog.pg_locks AS wanted
      JOIN pg_catalog.pg_locks AS held
        ON held.granted AND held.pid IS NULL AND ${lockTag("held")} OPERATOR(pg_catalog.=) ${lockTag("wanted")}
      JOIN pg_catalog.pg_prepared_xacts AS p
        ON held.virtualtransaction OPERATOR(pg_catalog.=)
          pg_catalog.concat('-1/', p.transaction::pg_catalog.text)
      WHERE NOT wanted.granted AND wanted.pid OPERATOR(pg_catalog.=) waiting.pid)::pg_catalog.text AS prepared
  FROM pg_catalog.unnest($1::pg_catalog.int4[]) AS waiting(pid)`

/** What is locked, as one text: parts that its kind does not have are null. */
function lockTag(lock: string): string {
  const parts = ["locktype", "database", "relation", "page", "tuple", "transactionid", "classid", "objid", "objsubid"]
  return `pg_catalog.concat_ws('/', ${parts.map((part) => `coalesce(${lock}.${part}::pg_catalog.text, '')`).join(", ")})`
}

function iso(time: string): string {
  return `pg_catalog.to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}

interface Row {
  readonly pid: number
  readonly sessions: string | null
  readonly prepared: string | null
}

const decode = Schema.decodeOption(Schema.fromJsonString(Schema.Array(Blocker)))

const blockersIn = ({ sessions, prepared }: Row): ReadonlyArray<Blocker> =>
  [sessions, prepared].flatMap((text) => {
    const found = text === null ? undefined : decode(text)
    return found?._tag === "Some" ? found.value : []
  })

interface Running {
  readonly steps: ReadonlyArray<Step>
  readonly since: number
}

export interface Blockers {
  /** Runs a statement of these steps under watch. When it does not get its lock, the error names who has it. */
  readonly watched: <A>(
    session: SqlSession,
    steps: ReadonlyArray<Step>,
    statement: Effect.Effect<A, SqlFailed>
  ) => Effect.Effect<A, SqlFailed>
}

/** The same error with what else is known about it. */
export const withDetail = (error: SqlFailed, more: string): SqlFailed =>
  new SqlFailed({
    message: `${error.message}\nDETAIL: ${more}`,
    sqlstate: error.sqlstate,
    hint: error.hint,
    detail: error.detail === null ? more : `${error.detail}; ${more}`
  })

/**
 * `look` opens a session beside the ones that wait; one that cannot be opened is done without. `note` shows in the wait
 * for the apply whom it waits for.
 */
export const makeBlockers = (
  journal: Journal,
  look: Effect.Effect<SqlSession, SqlFailed, Scope.Scope>,
  note: (text: string | null) => Effect.Effect<void>
): Effect.Effect<Blockers, never, Scope.Scope> =>
  Effect.gen(function* () {
    const running = new Map<number, Running>()
    let told = ""

    const tell = Effect.fnUntraced(function* (found: ReadonlyArray<readonly [Running, ReadonlyArray<Blocker>]>) {
      const text = found
        .map(
          ([{ steps }, by]) =>
            `${steps
              .map(({ object }) => object)
              .slice(0, 3)
              .join(", ")}: ${describeAll(by)}`
        )
        .join("; ")
      yield* note(text === "" ? null : `locked by others: ${text}`)
      if (text !== told && text !== "") yield* Effect.logWarning(`catalog: waiting for a lock: ${text}`)
      told = text
    })

    const lookOnce = Effect.gen(function* () {
      const now = performance.now()
      const slow = [...running].filter(([, { since }]) => now - since >= SLOW_MS)
      if (slow.length === 0) {
        if (told !== "") yield* tell([])
        return EVERY
      }
      const rows = yield* look.pipe(
        Effect.flatMap((session) => session.query<Row>(QUERY, [slow.map(([pid]) => pid)])),
        Effect.scoped
      )
      const before = told
      const found = rows.flatMap((row) => {
        const one = running.get(row.pid)
        const by = blockersIn(row)
        return one === undefined || by.length === 0 ? [] : [[one, by] as const]
      })
      for (const [{ steps }, by] of found) yield* journal.blocked(steps, by)
      yield* tell(found)
      return found.length > 0 && told === before ? LATER : EVERY
    }).pipe(
      Effect.catch((error) => Effect.as(Effect.logDebug(`could not look who holds a lock: ${error.message}`), LATER))
    )

    yield* Effect.forkScoped(
      Effect.forever(Effect.andThen(Effect.sleep(EVERY), Effect.flatMap(lookOnce, Effect.sleep)))
    )
    yield* Effect.addFinalizer(() => note(null))

    return {
      watched: (session, steps, statement) => {
        const pid = session.backend
        if (pid === null) return statement
        return Effect.acquireUseRelease(
          Effect.sync(() => running.set(pid, { steps, since: performance.now() })),
          () => statement,
          () => Effect.sync(() => running.delete(pid))
        ).pipe(
          Effect.mapError((error) => {
            const by = steps.flatMap((step) => journal.blockersOf(step))
            return error.sqlstate === LOCK_NOT_AVAILABLE && by.length > 0
              ? withDetail(error, `The lock is held by ${describeAll([...new Set(by)])}.`)
              : error
          })
        )
      }
    }
  })
