/**
 * `pgdata`: a new cluster with the source's database in it, laid into storage for a pageserver to import.
 *
 * Source: `compute_tools/src/bin/fast_import.rs` (`cmd_pgdata`).
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { DATABASE, SUPERUSER } from "../../domain/fastImport/commandLines.ts"
import type { ImportSpec } from "../../domain/fastImport/ImportSpec.ts"
import { JobFailed } from "../../domain/fastImport/JobFailed.ts"
import { PGDATA_DONE } from "../../domain/fastImport/JobStatus.ts"
import { isComplete, markComplete } from "../../layers/fastImport/completed.ts"
import { transfer } from "../../layers/fastImport/dump/transfer.ts"
import { ImportOptions, type JobCommand } from "../../layers/fastImport/ImportOptions.ts"
import { askMajor, initialize } from "../../layers/fastImport/Installation.ts"
import { Interrupts } from "../../layers/fastImport/Interrupts.ts"
import { startServer } from "../../layers/fastImport/Server.ts"
import type { Storage } from "../../layers/fastImport/storage/Storage.ts"
import { upload } from "../../layers/fastImport/storage/upload.ts"
import { attempt, keepStatus, makeDirectory, prepare } from "../../layers/fastImport/WorkingDirectory.ts"
import { Account } from "../../layers/machine/Account.ts"

type Pgdata = Extract<JobCommand, { readonly name: "pgdata" }>

const sourceOf = (command: Pgdata, storage: Storage | null, spec: ImportSpec | null) => {
  const { source } = command
  if (spec !== null && source !== null) {
    return Effect.fail(new JobFailed({ message: "only one of spec or source_connection_string can be provided" }))
  }
  if (spec !== null && storage !== null) return storage.decrypt("decrypt connection string", spec.keyId, spec.source)
  return source === null
    ? Effect.fail(new JobFailed({ message: "spec must be provided for pgdata command" }))
    : Effect.succeed(source)
}

const untilInterrupted = Effect.gen(function* () {
  const interrupts = yield* Interrupts
  yield* Effect.logInfo("Running in interactive mode. Press Ctrl+C to shut down.")
  yield* interrupts.next
})

/** Succeeds when its server has shut down in order. */
const fill = Effect.fnUntraced(function* (pgdata: string, command: Pgdata, source: string) {
  const { postgres: account } = yield* Account
  yield* attempt("create pgdata directory", () => makeDirectory(pgdata, account))
  const major = yield* askMajor
  yield* initialize(pgdata, major)
  const server = yield* startServer(pgdata, command)
  const destination = `host=localhost port=${command.port} user=${SUPERUSER} dbname=${DATABASE}`
  const work = command.interactive
    ? Effect.andThen(transfer(source, destination), untilInterrupted)
    : transfer(source, destination)
  yield* Effect.raceFirst(work, server.died)
  yield* server.stop
}, Effect.scoped)

/** The last object says that all others are there. */
const send = Effect.fnUntraced(function* (storage: Storage, workdir: string, resume: boolean) {
  yield* Effect.logInfo("upload pgdata")
  yield* upload(storage, path.join(workdir, "pgdata"), "pgdata", resume)
  yield* Effect.logInfo("write pgdata status to s3")
  yield* storage.putStatus("pgdata", PGDATA_DONE)
  yield* keepStatus(workdir, "pgdata", PGDATA_DONE)
})

/** Source: `compute_tools/src/bin/fast_import.rs` (`cmd_pgdata`, `main_impl`). */
export const importPgdata = Effect.fnUntraced(function* (
  command: Pgdata,
  storage: Storage | null,
  spec: ImportSpec | null
) {
  const { prefix, resume, workdir } = yield* ImportOptions
  const goesOn = resume && prefix !== null && (yield* isComplete(workdir, prefix))
  if (goesOn) {
    yield* Effect.logInfo("the data directory is complete, going on with its upload")
  } else {
    yield* prepare(workdir)
    const source = yield* sourceOf(command, storage, spec)
    yield* fill(path.resolve(workdir, "pgdata"), command, Redacted.value(source))
    if (resume && prefix !== null) yield* markComplete(workdir, prefix)
  }
  if (storage !== null) yield* send(storage, path.resolve(workdir), goesOn)
})
