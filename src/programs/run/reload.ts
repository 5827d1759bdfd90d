/**
 * Makes Postgres read its configuration again and sees to it that it did, before anything relies on the new values.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { excerpt, shortened } from "../../domain/json/Excerpt.ts"
import { toWallUnsafe, wallMillisUnsafe } from "../../layers/compute/clock/WallClock.ts"
import { Waits } from "../../layers/compute/Waits.ts"
import { Postmaster } from "../../layers/postgres/Postmaster.ts"
import { Sql, type SqlSession } from "../../layers/sql/Sql.ts"

const LIMIT = "10 seconds"
const FIRST_POLLS = { every: "10 millis", count: 50 } as const
const LATER_POLLS = { every: "100 millis" } as const

/** Faults that are told. */
const SHOWN = 5

/** Postgres found the files faulty and kept its old values. */
export class ReloadRejected extends Data.TaggedError("ReloadRejected")<{
  readonly faults: ReadonlyArray<string>
}> {
  override get message() {
    const more = this.faults.length > SHOWN ? `; and ${this.faults.length - SHOWN} more` : ""
    return `Postgres refused the new configuration: ${this.faults.slice(0, SHOWN).join("; ")}${more}`
  }
}

export class NoPostgres extends Data.TaggedError("NoPostgres")<Record<never, never>> {
  override get message() {
    return "Postgres is not running"
  }
}

export interface Reloaded {
  /** False when no session could see it within the limit: the signal was sent, its effect is unknown. */
  readonly confirmed: boolean
  /** Settings whose new value waits for a restart. */
  readonly pendingRestart: ReadonlyArray<string>
}

const loadedSince = (session: SqlSession, millis: number) =>
  session
    .query<{ readonly loaded: boolean }>(
      "SELECT pg_catalog.pg_conf_load_time() OPERATOR(pg_catalog.>=) pg_catalog.to_timestamp($1::pg_catalog.float8) AS loaded",
      [millis / 1000]
    )
    .pipe(Effect.map((rows) => rows[0]?.loaded === true))

/** What keeps the files from being applied as a whole; a setting that needs a restart does not. */
const fileFaults = (session: SqlSession) =>
  session
    .query<{ readonly file: string; readonly line: number; readonly name: string | null; readonly error: string }>(
      `SELECT sourcefile AS file, sourceline AS line, name, error FROM pg_catalog.pg_file_settings
       WHERE error IS NOT NULL AND error OPERATOR(pg_catalog.<>) 'setting could not be applied' ORDER BY seqno`
    )
    .pipe(
      Effect.map((rows) =>
        rows.map(
          ({ file, line, name, error }) =>
            `${name === null ? "" : `${excerpt(name)}: `}${shortened(error)} (${file}:${line})`
        )
      )
    )

const pendingRestart = (session: SqlSession) =>
  session
    .query<{ readonly name: string }>("SELECT name FROM pg_catalog.pg_settings WHERE pending_restart ORDER BY name")
    .pipe(Effect.map((rows) => rows.map(({ name }) => name)))

/**
 * The moment of the signal on the wall clock, by which Postgres tells when it read the files. Where that was set meanwhile,
 * the earlier of what it said then and what it would have said now.
 */
const sentAt = Effect.map(Clock.Clock, (clock) => {
  const before = wallMillisUnsafe(clock)
  const steady = clock.currentTimeMillisUnsafe()
  return () => Math.min(before, toWallUnsafe(clock, steady))
})

/** Polls until the files were read after `sent`. A session of before the signal reads them with its next statement. */
const watch = (session: SqlSession, sent: () => number) =>
  Effect.gen(function* () {
    for (let polls = 0; ; polls++) {
      if (yield* loadedSince(session, sent())) return
      if (polls === FIRST_POLLS.count) {
        const faults = yield* fileFaults(session)
        if (faults.length > 0) return yield* new ReloadRejected({ faults })
      }
      yield* Effect.sleep(polls < FIRST_POLLS.count ? FIRST_POLLS.every : LATER_POLLS.every)
    }
  })

/**
 * The signal goes out first and the session is opened after it: with the old configuration a new session may hang on
 * pageservers that only the new one knows.
 */
export const reload = Effect.gen(function* () {
  const postmaster = yield* Postmaster
  const sql = yield* Sql
  const waits = yield* Waits
  const postgres = yield* postmaster.current
  const sent = yield* sentAt
  if (postgres === null || !(yield* postgres.reload)) return yield* new NoPostgres()
  return yield* Effect.gen(function* () {
    const session = yield* sql.session({ applicationName: "compute_ctl:reload", purpose: "probe" })
    yield* watch(session, sent)
    return { confirmed: true, pendingRestart: yield* pendingRestart(session) } satisfies Reloaded
  }).pipe(
    Effect.scoped,
    waits.within("configuration to be reloaded", LIMIT),
    Effect.catchTags({
      SqlFailed: (error) => unconfirmed(error.message),
      WaitExpired: (error) => unconfirmed(error.message)
    })
  )
}).pipe(Effect.withSpan("pg_reload_conf"))

const unconfirmed = (reason: string) =>
  Effect.logWarning(`could not see whether Postgres reloaded its configuration: ${reason}`).pipe(
    Effect.as<Reloaded>({ confirmed: false, pendingRestart: [] })
  )
