/**
 * Makes Postgres read its configuration again and sees to it that it did.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import {
  type FileFault,
  type KnownSetting,
  type RefusedSetting,
  refusedSettings,
  refusesAll
} from "../../domain/postgres/RefusedSetting.ts"
import { toWallUnsafe, wallMillisUnsafe } from "../../layers/compute/clock/WallClock.ts"
import { Waits } from "../../layers/compute/Waits.ts"
import { Postmaster } from "../../layers/postgres/Postmaster.ts"
import { Sql, type SqlSession } from "../../layers/sql/Sql.ts"

const LIMIT = "10 seconds"
const FIRST_POLLS = { every: "10 millis", count: 50 } as const
const LATER_POLLS = { every: "100 millis" } as const

export class NoPostgres extends Data.TaggedError("NoPostgres")<Record<never, never>> {
  override get message() {
    return "Postgres is not running"
  }
}

export interface Reloaded {
  /** False when no session could see it within the limit: the signal was sent, its effect is unknown. */
  readonly confirmed: boolean
  /** False when Postgres found a fault for which it left everything as it was. True also when nobody could see it. */
  readonly applied: boolean
  /** What is not in force; null when nobody could see it. */
  readonly settings: ReadonlyArray<RefusedSetting> | null
}

const loadedSince = (session: SqlSession, millis: number) =>
  session
    .query<{ readonly loaded: boolean }>(
      "SELECT pg_catalog.pg_conf_load_time() OPERATOR(pg_catalog.>=) pg_catalog.to_timestamp($1::pg_catalog.float8) AS loaded",
      [millis / 1000]
    )
    .pipe(Effect.map((rows) => rows[0]?.loaded === true))

/** What the files have that is not in force. The view reads them anew, whatever the server has read of them. */
const fileFaults = (session: SqlSession) =>
  session.query<FileFault>(
    `SELECT sourcefile AS file, sourceline AS line, name, setting AS value, error FROM pg_catalog.pg_file_settings
     WHERE error IS NOT NULL ORDER BY seqno LIMIT 10000`
  )

/** Those of the names, and all that wait for a restart. */
const knownSettings = (session: SqlSession, names: ReadonlyArray<string>) =>
  session.query<KnownSetting>(
    `SELECT name, pending_restart AS pending, CASE
       WHEN vartype OPERATOR(pg_catalog.=) 'enum' THEN pg_catalog.concat('one of ', pg_catalog.array_to_string(enumvals, ', '))
       WHEN vartype OPERATOR(pg_catalog.=) 'bool' THEN 'on or off'
       WHEN min_val IS NOT NULL THEN pg_catalog.concat('a number from ', min_val, ' to ', max_val, ' ' OPERATOR(pg_catalog.||) unit)
     END AS takes
     FROM pg_catalog.pg_settings
     WHERE pending_restart OR pg_catalog.lower(name) OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[]) ORDER BY name`,
    [names]
  )

const whatIsRefused = (session: SqlSession, faults: ReadonlyArray<FileFault>) =>
  Effect.map(
    knownSettings(
      session,
      faults.flatMap(({ name }) => (name === null ? [] : [name.toLowerCase()]))
    ),
    (known) => refusedSettings(faults, known)
  )

/**
 * The moment of the signal on the wall clock, by which Postgres tells when it read the files. Where that was set meanwhile,
 * the earlier of what it said then and what it would have said now.
 */
const sentAt = Effect.map(Clock.Clock, (clock) => {
  const before = wallMillisUnsafe(clock)
  const steady = clock.currentTimeMillisUnsafe()
  return () => Math.min(before, toWallUnsafe(clock, steady))
})

/**
 * Polls until the files were read after `sent`; false when there is a fault by which nothing of them is applied. A session
 * of before the signal reads them with its next statement.
 */
const watch = Effect.fnUntraced(function* (session: SqlSession, sent: () => number) {
  for (let polls = 0; ; polls++) {
    if (yield* loadedSince(session, sent())) return true
    if (polls === 0 || polls === FIRST_POLLS.count) {
      const faults = yield* fileFaults(session)
      if (faults.some(refusesAll)) return false
    }
    yield* Effect.sleep(polls < FIRST_POLLS.count ? FIRST_POLLS.every : LATER_POLLS.every)
  }
})

/**
 * Sends the signal and succeeds with the wait for its effect, at most some seconds. The signal goes out first and sessions are
 * opened after it: with the old configuration a new session may hang on pageservers that only the new one knows. The server
 * reads the files before it accepts the next connection, so that whoever connects from now on needs no confirmation.
 */
export const signalReload = Effect.gen(function* () {
  const postmaster = yield* Postmaster
  const sql = yield* Sql
  const waits = yield* Waits
  const postgres = yield* postmaster.current
  const sent = yield* sentAt
  if (postgres === null || !(yield* postgres.reload)) return yield* new NoPostgres()
  return Effect.gen(function* () {
    const session = yield* sql.session({ applicationName: "compute_ctl:reload", purpose: "probe" })
    const applied = yield* watch(session, sent)
    const settings = yield* whatIsRefused(session, yield* fileFaults(session))
    return { confirmed: true, applied, settings } satisfies Reloaded
  }).pipe(
    Effect.scoped,
    waits.within("configuration to be reloaded", LIMIT),
    Effect.catchTags({
      SqlFailed: (error) => unconfirmed(error.message),
      WaitExpired: (error) => unconfirmed(error.message)
    }),
    Effect.withSpan("pg_reload_conf")
  )
})

/** The signal and its effect, for whoever relies on the new values in what is there already. */
export const reload = Effect.flatten(signalReload)

const unconfirmed = (reason: string) =>
  Effect.logWarning(`could not see whether Postgres reloaded its configuration: ${reason}`).pipe(
    Effect.as<Reloaded>({ confirmed: false, applied: true, settings: null })
  )
