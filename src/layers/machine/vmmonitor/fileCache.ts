/**
 * The size of the local file cache, by SQL on a connection that is kept.
 *
 * Source: `libs/vm_monitor/src/filecache.rs`.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcRef from "effect/RcRef"
import { MIB } from "../../../domain/vmmonitor/Decisions.ts"
import type { Sql, SqlSession } from "../../sql/Sql.ts"

/** Of each statement, and of the connection. The agent gives up after 5 s. */
const PATIENCE = "2 seconds"

export class FileCacheFailed extends Data.TaggedError("FileCacheFailed")<{ readonly message: string }> {}

const failed = (what: string) => (error: Error) => new FileCacheFailed({ message: `${what}: ${error.message}` })

const inTime = (what: string) =>
  Effect.timeoutOrElse({
    duration: PATIENCE,
    orElse: () => Effect.fail(new FileCacheFailed({ message: `${what}: timed out` }))
  })

const connect = (sql: Sql["Service"], connstr: string) =>
  sql
    .session({ connstr, applicationName: "vm-monitor", purpose: "probe", connectTimeout: PATIENCE })
    .pipe(Effect.mapError(failed("failed to connect to Postgres")))

const bytesOf = (setting: "neon.file_cache_size_limit" | "neon.max_file_cache_size") => (session: SqlSession) =>
  session
    .query<{ bytes: string }>(
      `SELECT pg_catalog.pg_size_bytes(pg_catalog.current_setting('${setting}'))::pg_catalog.text AS bytes`
    )
    .pipe(
      Effect.mapError(failed(`failed to read ${setting}`)),
      inTime(`failed to read ${setting}`),
      Effect.map(([row]) => Number(row?.bytes ?? 0))
    )

const run = (session: SqlSession, text: string) =>
  session
    .script(text)
    .pipe(
      Effect.mapError(failed("failed to change the file cache's size")),
      inTime("failed to change the file cache's size")
    )

export interface FileCache {
  /** Connects if need be and reads the limit, bytes. */
  readonly current: Effect.Effect<number, FileCacheFailed>
  /** Sets the limit to at most what Postgres has been started with; succeeds with what it was set to. Bytes. */
  readonly resize: (bytes: number) => Effect.Effect<number, FileCacheFailed>
}

export const makeFileCache = Effect.fnUntraced(function* (sql: Sql["Service"], connstr: string) {
  const kept = yield* RcRef.make({ acquire: connect(sql, connstr), idleTimeToLive: Duration.infinity })
  const session = RcRef.get(kept)
  const drop = RcRef.invalidate(kept)

  /** A connection that was idle for hours may be gone: reading is tried on a new one. */
  const reading = <A>(read: (session: SqlSession) => Effect.Effect<A, FileCacheFailed>) => {
    const once = Effect.scoped(Effect.flatMap(session, read))
    return once.pipe(Effect.catch(() => Effect.andThen(drop, once)))
  }

  const resize = Effect.fnUntraced(
    function* (bytes: number) {
      const most = yield* reading(bytesOf("neon.max_file_cache_size"))
      const mebibytes = Math.floor(Math.min(bytes, most) / MIB)
      const connected = yield* session
      yield* run(connected, `ALTER SYSTEM SET neon.file_cache_size_limit = ${mebibytes}`)
      yield* run(connected, "SELECT pg_catalog.pg_reload_conf()")
      return mebibytes * MIB
    },
    Effect.scoped,
    Effect.tapError(() => drop)
  )

  const cache: FileCache = { current: reading(bytesOf("neon.file_cache_size_limit")), resize }
  return cache
})
