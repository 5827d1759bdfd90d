/**
 * `pg_dump` and `pg_restore` as a job runs them: watched, counted, with an end that is told.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { NO_EVENT_TRIGGERS } from "../../../domain/fastImport/commandLines.ts"
import { failing, type JobFailed } from "../../../domain/fastImport/JobFailed.ts"
import { isTableFinished, type Measure, tableOf } from "../../../domain/fastImport/Progress.ts"
import { describeEnd, type Ended } from "../../machine/child/Children.ts"
import { isWell } from "../Installation.ts"
import { Programs, type Relayed } from "../Programs.ts"
import { ProgressReport } from "../ProgressReport.ts"
import type { Phase } from "./connection.ts"

/** As a process's status is usually written. */
const statusText = (ended: Ended): string =>
  ended._tag === "Exited" ? `exit status: ${ended.code}` : `signal: ${ended.signal}`

/** Counts tables from what the program says of itself. One job says which table it begins, several say which they have finished. */
const counting = ({ isSerial, phase, tables }: Run) =>
  Effect.map(ProgressReport, (report) => {
    let [begun, finished] = [0, 0]
    let measure: Measure = {}
    const counts = (done: number) => (tables === null ? {} : { tables, tables_done: done })
    const onLine = (line: string): Effect.Effect<void> => {
      const table = tableOf(line)
      const isFinished = isTableFinished(line)
      if (table === null && !isFinished) return Effect.void
      if (isFinished) finished += 1
      if (table !== null) begun += 1
      measure = {
        ...measure,
        ...counts(isSerial ? Math.max(begun - 1, 0) : finished),
        ...(table !== null && { table })
      }
      return report.set({ phase, measure })
    }
    return {
      onLine,
      finish: Effect.suspend(() => report.finish({ phase, measure: counts(isSerial ? begun : finished) }))
    }
  })

export interface Run {
  readonly phase: Phase
  readonly args: ReadonlyArray<string>
  readonly folder: string
  /** The secrets of its connection. */
  readonly env: Readonly<Record<string, string>>
  /** Null where nobody knows how many there are. */
  readonly tables: number | null
  /** One table after the other. */
  readonly isSerial: boolean
  readonly raw?: "stdin" | "stdout"
}

export interface RunningProgram {
  readonly raw: Relayed["raw"]
  /** Fails when it did not end well. */
  readonly done: Effect.Effect<void, JobFailed>
}

export const begin = (what: Run): Effect.Effect<RunningProgram, JobFailed, Programs | ProgressReport | Scope.Scope> => {
  const { args, env, folder, phase, raw } = what
  const name = `pg_${phase}`
  return Effect.gen(function* () {
    const programs = yield* Programs
    const { finish, onLine } = yield* counting(what)
    const child = yield* programs
      .start(name, args, { cwd: folder, onLine, env, ...(raw !== undefined && { raw }) })
      .pipe(Effect.mapError(failing(`spawn ${name}`)))
    yield* Effect.annotateLogs(Effect.logInfo(`spawned ${name}`), { pid: child.pid })
    const done = Effect.gen(function* () {
      const ended = yield* child.ended
      const status = { status: statusText(ended) }
      yield* Effect.annotateLogs(Effect.logInfo(`${name} exited`), status)
      if (isWell(ended)) return yield* finish
      yield* Effect.annotateLogs(
        Effect.logError(`${name} failed${phase === "dump" ? ", restore will likely fail as well" : ""}`),
        status
      )
      yield* failing(`${name} failed`)(new Error(`${name} ended with ${describeEnd(ended)}: ${child.lastWords()}`))
    }).pipe(Effect.withSpan(name))
    return { raw: child.raw, done }
  }).pipe(Effect.withSpan(name))
}

/** Neon's can; where it cannot, they are left out by a list. */
export const leavesEventTriggers = Effect.fnUntraced(function* (phase: Phase) {
  const programs = yield* Programs
  const { stdout } = yield* Effect.mapError(programs.ask(`pg_${phase}`, ["--help"]), failing(`spawn pg_${phase}`))
  return stdout.includes(NO_EVENT_TRIGGERS)
})
