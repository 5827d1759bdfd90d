/**
 * `pg_dump --schema-only` as a stream of bytes. The process is read as fast as the reader takes it, and no line of it may
 * get lost, which is why it is not one of the line-wise children.
 *
 * Source: `compute_tools/src/catalog.rs` (`get_database_schema`).
 */

import * as childProcess from "node:child_process"
import * as path from "node:path"
import type { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { messageOf } from "../../../domain/observe/ErrorChain.ts"
import { childEnvironment } from "../../../domain/postgres/ChildEnvironment.ts"
import { limits } from "../../../domain/postgres/session/SessionLimits.ts"
import { workingDirectory } from "../../machine/child/workingDirectory.ts"
import { inherited } from "../../machine/process/Environment.ts"
import { comeEarlier } from "../../machine/process/OutOfMemory.ts"
import type { Sql } from "../../sql/Sql.ts"
import { LOCK_NOT_AVAILABLE } from "../apply/failure.ts"
import { DatabaseMissing, DumpFailed } from "../errors.ts"

const APPLICATION = "compute_ctl:get_database_schema"
const STDERR_KEPT = 4096
/** Each has a session as long as it lasts. */
const AT_ONCE = 2
/** For another one to end, and for the first output: the whole catalog of the database is read before it. */
const QUEUE_LIMIT = "1 minute"
const FIRST_LIMIT = "10 minutes"
/** Chunks of at most 64 KiB: a reader that is slow, or stalls, does not keep the session open. */
const AHEAD = 256
/** For `pg_dump` to cancel what it asks of the server. */
const FAREWELL_MILLIS = 1000
/** For the server to free a connection. */
const RETRIES = 10

interface Dump {
  readonly process: childProcess.ChildProcessByStdio<null, Readable, Readable>
  /** What it wrote to stderr, and why it could not be run; both may come before anybody waits for the end. */
  readonly said: { stderr: string; fault: DumpFailed | null }
  /** After its end, when all that it wrote has been read. */
  readonly closed: Promise<void>
}

const ended = ({ closed, process, said }: Dump) =>
  Effect.flatMap(
    Effect.promise(() => closed),
    () => {
      const { exitCode, signalCode } = process
      if (said.fault === null && exitCode === 0) return Effect.void
      const how = signalCode === null ? `exit code ${exitCode}` : `killed by ${signalCode}`
      return Effect.fail(said.fault ?? new DumpFailed({ reason: how }))
    }
  )

/** On SIGTERM it cancels its statement in the server before it goes; the server ends one that is killed two seconds later. */
const stop = (process: Dump["process"]) =>
  Effect.callback<void>((resume) => {
    if (process.exitCode !== null || process.signalCode !== null || process.pid === undefined)
      return resume(Effect.void)
    const killing = setTimeout(() => process.kill("SIGKILL"), FAREWELL_MILLIS)
    process.once("exit", () => {
      clearTimeout(killing)
      resume(Effect.void)
    })
    process.stdout.destroy()
    process.kill("SIGTERM")
  })

const spawn = (program: string, args: ReadonlyArray<string>, env: NodeJS.ProcessEnv) =>
  Effect.acquireRelease(
    Effect.sync((): Dump => {
      const process = childProcess.spawn(program, [...args], {
        env,
        cwd: workingDirectory(),
        stdio: ["ignore", "pipe", "pipe"]
      })
      if (process.pid !== undefined) comeEarlier(process.pid)
      const said: Dump["said"] = { stderr: "", fault: null }
      process.on("error", (error: NodeJS.ErrnoException) => {
        const missing = error.code === "ENOENT"
        said.fault = new DumpFailed({ reason: missing ? `${program} is not there` : error.message, missing })
      })
      process.stderr.setEncoding("utf8").on("data", (text: string) => {
        said.stderr = (said.stderr + text).slice(0, STDERR_KEPT)
      })
      // At its end Node throws away what a child wrote to a pipe that nobody listens to yet.
      process.stdout.on("readable", () => undefined)
      const closed = new Promise<void>((resolve) => process.once("close", () => resolve()))
      return { process, said, closed }
    }),
    ({ process }) => stop(process)
  )

/** The encoding of a database; null when there is none. */
const encodingOf = (sql: Sql["Service"], database: string) =>
  sql.session({ applicationName: APPLICATION }).pipe(
    Effect.flatMap((session) =>
      session.query<{ encoding: string }>(
        "SELECT pg_catalog.pg_encoding_to_char(encoding) AS encoding FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1",
        [database]
      )
    ),
    Effect.map(([row]) => row?.encoding ?? null),
    Effect.scoped
  )

/**
 * A login that waits for a lock would outlive its `pg_dump`; one of ours does not. What else is wrong with the database
 * `pg_dump` tells itself.
 */
const enterable = (sql: Sql["Service"], database: string) =>
  sql.session({ applicationName: APPLICATION, database }).pipe(
    Effect.scoped,
    Effect.catch(({ message, sqlstate }) =>
      sqlstate === LOCK_NOT_AVAILABLE || sqlstate === null
        ? Effect.fail(new DumpFailed({ reason: message }))
        : Effect.void
    )
  )

const tooSlow = (what: string) => new DumpFailed({ reason: `${what}: not in time` })

/** Nobody can enter while tenants hold all connections and another of our sessions the reserved ones. */
const isFull = ({ reason }: DumpFailed) =>
  /too many clients already|remaining connection slots are reserved/.test(reason)

/** The process and its output, from the first on. `own` is the scope of the process, within that of the reader. */
const begin = Effect.fnUntraced(function* (
  sql: Sql["Service"],
  pgbin: string,
  { database, encoding }: { readonly database: string; readonly encoding: string },
  own: Scope.Closeable,
  reader: Scope.Scope
) {
  yield* sql.place("question")
  const { host, port, user, password, options } = yield* sql.target({ applicationName: APPLICATION })
  const dump = yield* spawn(
    path.join(path.dirname(pgbin), "pg_dump"),
    [
      ...["--host", host, "--port", String(port), "--username", user, "--no-password", "--schema-only"],
      // It switches the limits of its session off and has one of its own for the locks it takes.
      `--lock-wait-timeout=${limits.question.lock}`
    ],
    // As an argument the name would be taken for a connection string when it has a `=` in it.
    childEnvironment(inherited(), {
      PGAPPNAME: APPLICATION,
      PGDATABASE: database,
      // Its owner may have set another one, which does not have all of its names.
      PGCLIENTENCODING: encoding,
      PGOPTIONS: options,
      PGCONNECT_TIMEOUT: "10",
      PGPASSWORD: password,
      PGPASSFILE: "/dev/null"
    })
  )
  const told = (error: DumpFailed) => {
    const text = dump.said.stderr.trim()
    const complete = text === "" ? error : new DumpFailed({ reason: text })
    return Effect.andThen(Effect.logWarning(`pg_dump stderr: ${text}`), Effect.fail(complete))
  }
  // Its session has ended with it, however long the rest of its output takes to be read.
  const over = Effect.andThen(Effect.catch(ended(dump), told), Scope.close(own, Exit.void))
  const output = Stream.fromAsyncIterable<Uint8Array, DumpFailed>(
    dump.process.stdout,
    (error) => new DumpFailed({ reason: messageOf(error) })
  ).pipe(Stream.concat(Stream.drain(Stream.fromEffect(over))), Stream.buffer({ capacity: AHEAD }))
  const pull = yield* Scope.provide(Stream.toPull(output), reader)
  const first = yield* Pull.catchDone(pull, () => Effect.fail(new DumpFailed({ reason: "no output" }))).pipe(
    Effect.timeoutOrElse({ duration: FIRST_LIMIT, orElse: () => Effect.fail(tooSlow("first output")) })
  )
  return Stream.concat(Stream.fromArray(first), Stream.fromPull(Effect.succeed(pull)))
})

export const makeDumps = (sql: Sql["Service"], pgbin: string) =>
  Effect.map(Semaphore.make(AT_ONCE), (numbers) => {
    const number = Effect.uninterruptibleMask((restore) =>
      Effect.andThen(
        restore(
          Effect.timeoutOrElse(numbers.take(1), {
            duration: QUEUE_LIMIT,
            orElse: () => Effect.fail(tooSlow("other dumps to end"))
          })
        ),
        Effect.addFinalizer(() => numbers.release(1))
      )
    )
    return (database: string) =>
      Effect.gen(function* () {
        if (database === "") return yield* new DumpFailed({ reason: "no database is named" })
        const encoding = yield* encodingOf(sql, database)
        if (encoding === null) return yield* new DatabaseMissing({ database })
        yield* enterable(sql, database)
        const reader = yield* Effect.scope
        const attempt = Effect.gen(function* () {
          const own = yield* Scope.fork(reader)
          return yield* Effect.andThen(number, begin(sql, pgbin, { database, encoding }, own, reader)).pipe(
            Scope.provide(own),
            Effect.onError(() => Scope.close(own, Exit.void))
          )
        })
        return yield* Effect.retry(attempt, {
          while: (error) => error._tag === "DumpFailed" && isFull(error),
          schedule: Schedule.max([Schedule.spaced("500 millis"), Schedule.recurs(RETRIES)])
        })
      })
  })
