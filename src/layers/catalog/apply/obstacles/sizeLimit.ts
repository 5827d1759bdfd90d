/**
 * Lifts the limit of the cluster's size while we work on the catalog: a tenant that is over its limit must still get its
 * roles, databases and extensions. Several may need it at once; the last one to go puts it back.
 *
 * Source: `compute_tools/src/compute.rs` (`with_compute_ctl_tmp_override`), the neon extension's `neon.max_cluster_size`.
 */

import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { DataDirectory, type DataDirectoryFailed } from "../../../postgres/dataDirectory/DataDirectory.ts"
import { Postmaster } from "../../../postgres/Postmaster.ts"
import type { SqlFailed } from "../../../sql/errors.ts"
import type { SqlSession } from "../../../sql/Sql.ts"

export interface SizeLimit {
  /**
   * Lifted until the scope closes; put back and reloaded however it closes. When that was the last one, it waits for the last
   * session that has seen the lift to see its end, a second at most: nobody is served under a limit that is not there.
   */
  readonly lifted: Effect.Effect<void, DataDirectoryFailed, Scope.Scope>
  /** A session follows a reload when it is idle: waits, a second at most, until this one has. */
  readonly seenBy: (session: SqlSession) => Effect.Effect<void, SqlFailed>
}

const pause = Schedule.spaced("10 millis")

/** Also where interruption is not heard any more. */
const briefly = <A, E>(wait: Effect.Effect<A, E>) => Effect.timeout(Effect.interruptible(wait), "1 second")

const OVERRIDE = "neon.max_cluster_size=-1"

export const makeSizeLimit = Effect.gen(function* () {
  const directory = yield* DataDirectory
  const postmaster = yield* Postmaster
  const users = yield* Ref.make(0)
  const witness = yield* Ref.make<SqlSession | null>(null)
  const oneAtATime = yield* Semaphore.make(1)

  /** False when there is nobody to tell. */
  const reload = Effect.flatMap(postmaster.current, (postgres) =>
    postgres === null ? Effect.succeed(false) : postgres.reload
  )
  const write = (text: string) => Effect.andThen(directory.writeOverride(text), reload)

  const enter = oneAtATime.withPermits(1)(
    Effect.gen(function* () {
      if ((yield* Ref.get(users)) === 0) yield* write(OVERRIDE)
      yield* Ref.update(users, (count) => count + 1)
    })
  )
  const leave = oneAtATime.withPermits(1)(
    Effect.gen(function* () {
      if ((yield* Ref.updateAndGet(users, (count) => count - 1)) > 0) return
      const session = yield* Ref.getAndSet(witness, null)
      const before = session === null ? null : yield* Effect.orElseSucceed(briefly(loadTime(session)), () => null)
      const told = yield* write("")
      if (!told || session === null || before === null) return
      const later = Effect.repeat(loadTime(session), { until: (now) => now !== before, schedule: pause })
      yield* Effect.ignore(briefly(later))
    }).pipe(Effect.catch((error) => Effect.logError(`the size limit stays lifted: ${error.message}`)))
  )

  const loadTime = (session: SqlSession) =>
    Effect.map(
      session.query<{ time: string }>("SELECT pg_catalog.pg_conf_load_time()::pg_catalog.text AS time"),
      ([row]) => row?.time ?? null
    )

  const isLifted = (session: SqlSession) =>
    Effect.map(
      session.query<{ limit: string | null }>(
        "SELECT pg_catalog.current_setting('neon.max_cluster_size', true) AS limit"
      ),
      ([row]) => row?.limit === null || row?.limit === undefined || row.limit === "-1"
    )

  const seenBy = (session: SqlSession): Effect.Effect<void, SqlFailed> =>
    Effect.andThen(Ref.set(witness, session), isLifted(session)).pipe(
      Effect.filterOrFail(
        (lifted) => lifted,
        () => "not yet" as const
      ),
      Effect.retry({ while: (error) => error === "not yet", times: 100, schedule: pause }),
      Effect.catchIf(
        (error) => error === "not yet",
        () => Effect.logWarning("Postgres has not taken the lifted size limit over within a second")
      ),
      Effect.asVoid
    )

  const limit: SizeLimit = { lifted: Effect.acquireRelease(enter, () => leave), seenBy }
  return limit
})
