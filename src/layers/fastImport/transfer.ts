/**
 * From one server into another: `pg_dump` into the working directory, then `pg_restore`.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { dump, NO_EVENT_TRIGGERS, restore, type Transfer } from "../../domain/fastImport/commandLines.ts"
import { failing, type JobFailed } from "../../domain/fastImport/JobFailed.ts"
import { isTableFinished, type Measure, tableOf } from "../../domain/fastImport/Progress.ts"
import { read, type TableOfContents } from "../../domain/fastImport/tableOfContents.ts"
import { Account } from "../machine/Account.ts"
import { describeEnd, type Ended } from "../machine/child/Children.ts"
import { watchOver } from "../postgres/watchdog.ts"
import { connectionFor, type Phase } from "./connection.ts"
import { ImportOptions } from "./ImportOptions.ts"
import { isWell } from "./Installation.ts"
import { Programs } from "./Programs.ts"
import { ProgressReport } from "./ProgressReport.ts"
import { attempt, makeDirectory } from "./WorkingDirectory.ts"

/** As a process's status is usually written. */
const statusText = (ended: Ended): string =>
  ended._tag === "Exited" ? `exit status: ${ended.code}` : `signal: ${ended.signal}`

/** Counts tables from what the program says of itself. */
const counting = (phase: Phase, tables: number | null) =>
  Effect.map(ProgressReport, (report) => {
    let done = 0
    let measure: Measure = {}
    const counts = () => (tables === null ? {} : { tables, tables_done: done })
    const onLine = (line: string): Effect.Effect<void> => {
      const table = tableOf(line)
      const finished = isTableFinished(line)
      if (table === null && !finished) return Effect.void
      if (finished) done += 1
      measure = { ...measure, ...counts(), ...(table !== null && { table }) }
      return report.set({ phase, measure })
    }
    return { onLine, finish: Effect.suspend(() => report.finish({ phase, measure: counts() })) }
  })

interface Run {
  readonly phase: Phase
  readonly args: ReadonlyArray<string>
  readonly folder: string
  /** The secrets of its connection. */
  readonly env: Readonly<Record<string, string>>
  /** Null where nobody knows how many there are. */
  readonly tables: number | null
}

const run = ({ args, env, folder, phase, tables }: Run) => {
  const name = `pg_${phase}`
  return Effect.gen(function* () {
    const programs = yield* Programs
    const { finish, onLine } = yield* counting(phase, tables)
    const child = yield* programs
      .start(name, args, { cwd: folder, onLine, env })
      .pipe(Effect.mapError(failing(`spawn ${name}`)))
    yield* Effect.annotateLogs(Effect.logInfo(`spawned ${name}`), { pid: child.pid })
    const ended = yield* child.ended
    const status = { status: statusText(ended) }
    yield* Effect.annotateLogs(Effect.logInfo(`${name} exited`), status)
    yield* finish
    if (isWell(ended)) return
    yield* Effect.annotateLogs(
      Effect.logError(`${name} failed${phase === "dump" ? ", restore will likely fail as well" : ""}`),
      status
    )
    yield* failing(`${name} failed`)(new Error(`${name} ended with ${describeEnd(ended)}: ${child.lastWords()}`))
  }).pipe(Effect.withSpan(name), Effect.scoped)
}

const leavesEventTriggers = Effect.fnUntraced(function* (name: string) {
  const programs = yield* Programs
  const { stdout } = yield* Effect.mapError(programs.ask(name, ["--help"]), failing(`spawn ${name}`))
  return stdout.includes(NO_EVENT_TRIGGERS)
})

/** It grows with the number of objects; nothing is done but to read it. */
const LIST_LIMIT = "10 minutes"

/** By way of a file: of an output only the beginning is kept. */
const contentsOf = (dumpdir: string): Effect.Effect<TableOfContents, JobFailed, Programs> =>
  Effect.gen(function* () {
    const programs = yield* Programs
    const file = path.join(dumpdir, "all.list")
    const { ended, stderr } = yield* programs
      .ask("pg_restore", ["--list", "-f", file, dumpdir], LIST_LIMIT)
      .pipe(Effect.mapError(failing("spawn pg_restore")))
    if (!isWell(ended)) {
      yield* failing("pg_restore failed")(new Error(`pg_restore --list ended with ${describeEnd(ended)}: ${stderr}`))
    }
    return yield* attempt("pg_restore failed", () => read(fs.readFileSync(file, "utf8")))
  })

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

export const transfer = Effect.fnUntraced(function* (source: string, destination: string) {
  const { jobs, workdir } = yield* ImportOptions
  const home = path.resolve(workdir)
  const dumpdir = path.join(home, "dumpdir")
  yield* Effect.logInfo(`using ${jobs} jobs for dump/restore`)
  const from = yield* connectionFor("dump", source, home)
  const to = yield* connectionFor("restore", destination, home)
  yield* dumpFolder(dumpdir)
  const transferOf = (connstr: string, leaves: boolean): Transfer => ({
    connstr,
    dumpdir,
    jobs,
    leavesEventTriggers: leaves
  })
  yield* Effect.logInfo("dump into the working directory")
  const dumpLeaves = yield* leavesEventTriggers("pg_dump")
  yield* run({
    phase: "dump",
    args: dump(transferOf(from.connstr, dumpLeaves)),
    folder: dumpdir,
    env: from.env,
    tables: null
  })
  const restoreLeaves = yield* leavesEventTriggers("pg_restore")
  const contents = yield* contentsOf(dumpdir)
  const list = contents.hasEventTriggers && !restoreLeaves ? path.join(dumpdir, "restore.list") : null
  if (list !== null) {
    yield* attempt("spawn pg_restore", () => fs.writeFileSync(list, contents.withoutEventTriggers))
  }
  const args = restore(transferOf(to.connstr, restoreLeaves), list)
  yield* run({ phase: "restore", args, folder: dumpdir, env: to.env, tables: contents.tables })
}, Effect.scoped)
