/**
 * DROP DATABASE waits until every backend of the server has closed its files. One that waits for its client in the middle of
 * a statement does not hear of it: a COPY whose client sends nothing, an answer that nobody reads. That may last for ever,
 * in a database that has nothing to do with ours; its session is ended then.
 *
 * Source: PostgreSQL, `src/backend/storage/ipc/procsignal.c` (`WaitForProcSignalBarrier`), `src/backend/tcop/postgres.c`
 * (`ProcessClientReadInterrupt`, `ProcessClientWriteInterrupt`).
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { SqlFailed } from "../../../sql/errors.ts"
import type { SqlSession } from "../../../sql/Sql.ts"
import { OBJECT_IN_USE } from "../failure.ts"
import type { Look } from "./Look.ts"

/** Whoever is at work, however slowly, hears of it within moments. */
const GRACE = Duration.seconds(10)
/** Between two looks; who waits for the same client in both is ended. */
const EVERY = Duration.seconds(2)
/** For all of it. Whom it waits for then is not to be seen. */
const LONGEST = Duration.minutes(1)

/** `$1`: our backend, which waits for all others. */
const WAITS = `EXISTS (SELECT FROM pg_catalog.pg_stat_get_activity($1::pg_catalog.int4) AS w
      WHERE w.wait_event OPERATOR(pg_catalog.=) 'ProcSignalBarrier')`

/** No rows while it waits for something else. */
const DEAF = `SELECT a.pid, coalesce(a.application_name, '') AS application,
    coalesce(a.query_start, a.backend_start)::pg_catalog.text AS since
  FROM pg_catalog.pg_stat_get_activity(NULL) AS a
  WHERE a.wait_event_type OPERATOR(pg_catalog.=) 'Client'
    AND a.wait_event OPERATOR(pg_catalog.=) ANY (ARRAY['ClientRead', 'ClientWrite'])
    AND (a.state IS NULL OR pg_catalog.starts_with(a.state, 'active') OR pg_catalog.starts_with(a.state, 'fastpath'))
    AND ${WAITS}`

interface Row {
  readonly pid: number
  readonly application: string
  readonly since: string
}

const END = "SELECT pg_catalog.pg_terminate_backend($1::pg_catalog.int4)"

const keyOf = ({ pid, since }: Row) => `${pid} ${since}`

const inVain = SqlFailed.of(
  "db error: ERROR: the database is not dropped: a session of the server does not close its files",
  OBJECT_IN_USE
)

/** Ends those that were as deaf at the last look. */
const lookOnce = Effect.fnUntraced(function* (look: Look, backend: number, before: ReadonlySet<string>) {
  const session = yield* look()
  const found = yield* session.query<Row>(DEAF, [backend])
  const deaf = found.filter((row) => before.has(keyOf(row)))
  for (const { pid, application } of deaf) {
    yield* session.query(END, [pid])
    yield* Effect.logWarning(
      `catalog: ended a session that waits for its client and keeps a database from being dropped: pid ${pid}, application ${JSON.stringify(application)}`
    )
  }
  return new Set(found.map(keyOf))
}, Effect.scoped)

/** Fails when the statement waits for more than these. */
const watch = (look: Look, backend: number): Effect.Effect<never, SqlFailed> =>
  Effect.gen(function* () {
    yield* Effect.sleep(GRACE)
    const until = performance.now() + Duration.toMillis(LONGEST)
    let seen: ReadonlySet<string> = new Set()
    while (performance.now() < until) {
      seen = yield* Effect.orElseSucceed(lookOnce(look, backend, seen), () => new Set<string>())
      yield* Effect.sleep(EVERY)
    }
    const waits = look().pipe(
      Effect.flatMap((session) => session.query<{ waiting: boolean }>(`SELECT ${WAITS} AS waiting`, [backend])),
      Effect.scoped,
      Effect.map(([row]) => row?.waiting === true),
      Effect.orElseSucceed(() => false)
    )
    while (!(yield* waits)) yield* Effect.sleep(EVERY)
    return yield* inVain
  })

/** Runs the drop of a database. */
export const heard = (
  look: Look,
  { backend }: SqlSession,
  drop: Effect.Effect<void, SqlFailed>
): Effect.Effect<void, SqlFailed> => (backend === null ? drop : Effect.raceFirst(drop, watch(look, backend)))
