/**
 * The size of the local file cache, by SQL on a connection that is kept.
 *
 * Source: `libs/vm_monitor/src/filecache.rs`.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as SynchronizedRef from "effect/SynchronizedRef"
import { Client } from "pg"
import { MIB } from "../../domain/vmmonitor/Decisions.ts"
import { keywords } from "./keywords.ts"

/** Of each statement, and of the connection. The agent gives up after 5 s. */
const PATIENCE = "2 seconds"

export class FileCacheFailed extends Data.TaggedError("FileCacheFailed")<{ readonly message: string }> {}

const failed = (what: string) => (error: unknown) =>
  new FileCacheFailed({ message: `${what}: ${error instanceof Error ? error.message : String(error)}` })

const inTime = (what: string) =>
  Effect.timeoutFail({ duration: PATIENCE, onTimeout: () => new FileCacheFailed({ message: `${what}: timed out` }) })

const settingsOf = (connstr: string) => {
  if (/^postgres(ql)?:\/\//.test(connstr)) return { connectionString: connstr }
  const given = keywords(connstr)
  return {
    host: given.get("host") ?? "localhost",
    port: Number(given.get("port") ?? 5432),
    user: given.get("user") ?? "cloud_admin",
    database: given.get("dbname") ?? "postgres",
    password: given.get("password") ?? "",
    application_name: given.get("application_name") ?? "vm-monitor",
    ssl: false
  }
}

const connect = (connstr: string) => {
  const settings = settingsOf(connstr)
  return Effect.acquireRelease(
    Effect.sync(() => {
      const client = new Client({
        ...settings,
        keepAlive: true,
        connectionTimeoutMillis: 2000
      })
      // A connection that breaks is noticed by the next statement.
      client.on("error", () => undefined)
      return client
    }),
    (client) =>
      Effect.sync(() => {
        client.end().catch(() => undefined)
      })
  ).pipe(
    Effect.tap((client) =>
      Effect.tryPromise({ try: () => client.connect(), catch: failed("failed to connect to Postgres") })
    ),
    inTime("failed to connect to Postgres")
  )
}

const bytesOf = (setting: "neon.file_cache_size_limit" | "neon.max_file_cache_size") => (client: Client) =>
  Effect.tryPromise({
    try: () => client.query<{ bytes: string }>(`select pg_size_bytes(current_setting('${setting}'))::text as bytes`),
    catch: failed(`failed to read ${setting}`)
  }).pipe(
    inTime(`failed to read ${setting}`),
    Effect.map(({ rows }) => Number(rows[0]?.bytes ?? 0))
  )

const run = (client: Client, text: string) =>
  Effect.tryPromise({ try: () => client.query(text), catch: failed("failed to change the file cache's size") }).pipe(
    inTime("failed to change the file cache's size")
  )

export interface FileCache {
  /** Connects if need be and reads the limit, bytes. */
  readonly current: Effect.Effect<number, FileCacheFailed>
  /** Sets the limit to at most what Postgres has been started with; succeeds with what it was set to. Bytes. */
  readonly resize: (bytes: number) => Effect.Effect<number, FileCacheFailed>
}

interface Connection {
  readonly client: Client
  readonly scope: Scope.CloseableScope
}

export const makeFileCache = (connstr: string) =>
  Effect.gen(function* () {
    const kept = yield* Effect.acquireRelease(SynchronizedRef.make<Connection | null>(null), (ref) =>
      Effect.flatMap(SynchronizedRef.get(ref), (connection) =>
        connection === null ? Effect.void : Scope.close(connection.scope, Exit.void)
      )
    )

    const client = SynchronizedRef.modifyEffect(kept, (connection) =>
      connection !== null
        ? Effect.succeed([connection.client, connection] as const)
        : Effect.gen(function* () {
            const scope = yield* Scope.make()
            const opened = yield* Scope.extend(connect(connstr), scope).pipe(
              Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
            )
            return [opened, { client: opened, scope }] as const
          })
    )

    const drop = SynchronizedRef.updateEffect(kept, (connection) =>
      connection === null ? Effect.succeed(null) : Effect.as(Scope.close(connection.scope, Exit.void), null)
    )

    /** A connection that was idle for hours may be gone: reading is tried on a new one. */
    const reading = <A>(read: (client: Client) => Effect.Effect<A, FileCacheFailed>) => {
      const once = Effect.flatMap(client, read)
      return once.pipe(Effect.catchAll(() => Effect.zipRight(drop, once)))
    }

    const resize = (bytes: number) =>
      Effect.gen(function* () {
        const most = yield* reading(bytesOf("neon.max_file_cache_size"))
        const mebibytes = Math.floor(Math.min(bytes, most) / MIB)
        const connected = yield* client
        yield* run(connected, `alter system set neon.file_cache_size_limit = ${mebibytes}`)
        yield* run(connected, "select pg_reload_conf()")
        return mebibytes * MIB
      }).pipe(Effect.tapError(() => drop))

    const cache: FileCache = { current: reading(bytesOf("neon.file_cache_size_limit")), resize }
    return cache
  })
