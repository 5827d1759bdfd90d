/**
 * The database that is filled, made in our own server: somebody else may listen on the same port, on an address that ours
 * did not get.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { DATABASE, SUPERUSER } from "../../domain/fastImport/commandLines.ts"
import { JobFailed } from "../../domain/fastImport/JobFailed.ts"
import { Sql, type SqlFailed } from "../sql/Sql.ts"

/** What `localhost` may mean to whoever connects next. */
const ADDRESSES = ["127.0.0.1", "[::1]"] as const
const PAUSE = "300 millis"
/** Of the process, whatever is written about it. */
const NOT_USABLE = 1

/** Nobody listens there, or there is no such address. */
const isNobody = ({ message }: SqlFailed): boolean =>
  /Connection refused|Cannot assign requested address|Address family not supported|Network is unreachable/.test(message)

/** Connection exceptions, too many connections, a template that somebody is connected to, a server that comes up. */
const isPassing = ({ sqlstate }: SqlFailed): boolean =>
  sqlstate === null || /^(?:08...|53...|55006|57P0[123])$/.test(sqlstate)

const connecting = (address: string, port: number) =>
  Effect.flatMap(Sql, (sql) => sql.session({ applicationName: "fast_import" })).pipe(
    Effect.provide(Sql.layerTo(`postgresql://${SUPERUSER}@${address}:${port}/postgres`))
  )

const failed = (cause: Error) => new JobFailed({ message: "create database", cause, exit: NOT_USABLE })

/** Whether the server at the address is the one of the data directory; null when there is none. */
const isOurs = (address: string, port: number, pgdata: string) =>
  Effect.gen(function* () {
    const session = yield* connecting(address, port)
    const [row] = yield* session.query<{ readonly directory: string }>(
      "SELECT pg_catalog.current_setting('data_directory') AS directory"
    )
    return row?.directory === fs.realpathSync(pgdata) || row?.directory === pgdata
  }).pipe(
    Effect.scoped,
    Effect.catchIf(isNobody, () => Effect.succeed(null)),
    Effect.mapError((error) => failed(new Error(`${address}:${port}: ${error.message}`)))
  )

const create = (address: string, port: number) =>
  Effect.scoped(
    Effect.flatMap(connecting(address, port), (session) => session.script(`CREATE DATABASE ${DATABASE};`))
  ).pipe(
    Effect.tapError(({ message }) => Effect.logWarning(`failed to create database: ${message}, retrying in 0.3s`)),
    Effect.retry({ schedule: Schedule.spaced(PAUSE), while: isPassing }),
    Effect.mapError(failed)
  )

/** The server accepts connections. What can never succeed fails at once; the rest is tried until the caller gives up. */
export const createDatabase = (pgdata: string, port: number): Effect.Effect<void, JobFailed> =>
  Effect.gen(function* () {
    const found = yield* Effect.forEach(ADDRESSES, (address) =>
      Effect.map(isOurs(address, port, pgdata), (ours) => ({ address, ours }))
    )
    const other = found.find(({ ours }) => ours === false)
    if (other !== undefined) {
      yield* failed(new Error(`another server listens on ${other.address}:${port}`))
    }
    const own = found.find(({ ours }) => ours === true)
    if (own === undefined) return yield* failed(new Error(`nobody listens on port ${port} of localhost`))
    yield* create(own.address, port)
    yield* Effect.logInfo(`created ${DATABASE} database`)
  })
