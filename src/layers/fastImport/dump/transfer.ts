/**
 * From one server into another: `pg_dump` into the working directory, then `pg_restore`.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { dump, restore, type Transfer } from "../../../domain/fastImport/commandLines.ts"
import type { JobFailed } from "../../../domain/fastImport/JobFailed.ts"
import { Account } from "../../machine/Account.ts"
import { watchOver } from "../../postgres/watchdog.ts"
import { ImportOptions } from "../ImportOptions.ts"
import { attempt, makeDirectory } from "../WorkingDirectory.ts"
import { atOnce } from "./atOnce.ts"
import { type Connection, connectionFor } from "./connection.ts"
import { contentsOf } from "./contents.ts"
import { begin, leavesEventTriggers, type Run } from "./program.ts"

/** It holds what the source holds, and nobody needs it afterwards. */
const dumpFolder = (dumpdir: string): Effect.Effect<void, JobFailed, Account | Scope.Scope> =>
  Effect.gen(function* () {
    const { postgres: account } = yield* Account
    yield* Effect.acquireRelease(
      attempt("spawn pg_dump", () => makeDirectory(dumpdir, account)),
      () => Effect.sync(() => fs.rmSync(dumpdir, { recursive: true, force: true }))
    )
    // Whoever works in it ends with us, however we end.
    yield* Effect.forkScoped(Effect.andThen(watchOver(dumpdir, account), Effect.never))
  })

const run = (what: Run) => Effect.scoped(Effect.flatMap(begin(what), ({ done }) => done))

const oneAfterTheOther = Effect.fnUntraced(function* (from: Connection, to: Connection, dumpdir: string) {
  const { jobs } = yield* ImportOptions
  const isSerial = jobs === 1
  const transferOf = (connstr: string, leaves: boolean): Transfer => ({
    connstr,
    dumpdir,
    jobs,
    leavesEventTriggers: leaves
  })
  yield* Effect.logInfo(`using ${jobs} jobs for dump/restore`)
  yield* Effect.logInfo("dump into the working directory")
  const args = dump(transferOf(from.connstr, yield* leavesEventTriggers("dump")))
  yield* run({ phase: "dump", args, folder: dumpdir, env: from.env, tables: null, isSerial })
  const leaves = yield* leavesEventTriggers("restore")
  const { list, tables } = yield* contentsOf(dumpdir, dumpdir)
  const restoring = restore(transferOf(to.connstr, leaves), leaves ? null : list)
  yield* run({ phase: "restore", args: restoring, folder: dumpdir, env: to.env, tables, isSerial })
})

export const transfer = Effect.fnUntraced(function* (source: string, destination: string) {
  const { atOnce: isAtOnce, workdir } = yield* ImportOptions
  const home = path.resolve(workdir)
  const dumpdir = path.join(home, "dumpdir")
  const from = yield* connectionFor("dump", source, home)
  const to = yield* connectionFor("restore", destination, home)
  yield* dumpFolder(dumpdir)
  yield* (isAtOnce ? atOnce : oneAfterTheOther)(from, to, dumpdir)
}, Effect.scoped)
