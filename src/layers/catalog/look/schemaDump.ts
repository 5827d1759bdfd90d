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
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { childEnvironment } from "../../../domain/postgres/ChildEnvironment.ts"
import { workingDirectory } from "../../machine/child/workingDirectory.ts"
import { inherited } from "../../machine/process/Environment.ts"
import { comeEarlier } from "../../machine/process/OutOfMemory.ts"
import type { Sql } from "../../sql/Sql.ts"
import { DatabaseMissing, DumpFailed } from "../errors.ts"

const STDERR_KEPT = 4096

interface Dump {
  readonly process: childProcess.ChildProcessByStdio<null, Readable, Readable>
  /** What it wrote to stderr, and why it could not be run; both may come before anybody waits for the end. */
  readonly said: { stderr: string; fault: string | null }
}

const ended = ({ process, said }: Dump) =>
  Effect.callback<void, DumpFailed>((resume) => {
    const fail = (reason: string) => resume(Effect.fail(new DumpFailed({ reason })))
    const judge = (code: number | null, signal: NodeJS.Signals | null) => {
      if (said.fault !== null) return fail(said.fault)
      if (code === 0) return resume(Effect.void)
      fail(signal === null ? `exit code ${code}` : `killed by ${signal}`)
    }
    if (process.exitCode !== null || process.signalCode !== null) judge(process.exitCode, process.signalCode)
    else process.once("close", judge)
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
      process.on("error", (error) => {
        said.fault = error.message
      })
      process.stderr.setEncoding("utf8").on("data", (text: string) => {
        said.stderr = (said.stderr + text).slice(0, STDERR_KEPT)
      })
      return { process, said }
    }),
    ({ process }) => Effect.sync(() => process.kill("SIGKILL"))
  )

const exists = (sql: Sql["Service"], database: string) =>
  sql.session({ applicationName: "compute_ctl:get_database_schema" }).pipe(
    Effect.flatMap((session) =>
      session.query<{ found: boolean }>(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1) AS found",
        [database]
      )
    ),
    Effect.map(([row]) => row?.found === true),
    Effect.scoped
  )

export const schemaDump = (sql: Sql["Service"], pgbin: string, database: string) =>
  Effect.gen(function* () {
    if (database === "") return yield* new DumpFailed({ reason: "no database is named" })
    if (!(yield* exists(sql, database))) return yield* new DatabaseMissing({ database })
    const { host, port, user, password, options } = yield* sql.target({ applicationName: "pg_dump" })
    const dump = yield* spawn(
      path.join(path.dirname(pgbin), "pg_dump"),
      ["--host", host, "--port", String(port), "--username", user, "--no-password", "--schema-only"],
      // As an argument the name would be taken for a connection string when it has a `=` in it.
      childEnvironment(inherited(), {
        PGDATABASE: database,
        PGOPTIONS: options,
        PGCONNECT_TIMEOUT: "10",
        PGPASSWORD: password,
        PGPASSFILE: "/dev/null"
      })
    )
    const told = (error: DumpFailed) => {
      const text = dump.said.stderr.trim()
      const complete = new DumpFailed({ reason: text === "" ? error.reason : text })
      return Effect.andThen(Effect.logWarning(`pg_dump stderr: ${text}`), Effect.fail(complete))
    }
    const output = Stream.fromAsyncIterable<Uint8Array, DumpFailed>(
      dump.process.stdout,
      (error) => new DumpFailed({ reason: error instanceof Error ? error.message : "unreadable" })
    ).pipe(Stream.concat(Stream.drain(Stream.fromEffect(Effect.catch(ended(dump), told)))))
    const pull = yield* Stream.toPull(output)
    const first = yield* Pull.catchDone(pull, () => Effect.fail(new DumpFailed({ reason: "no output" })))
    return Stream.concat(Stream.fromArray(first), Stream.fromPull(Effect.succeed(pull)))
  })
