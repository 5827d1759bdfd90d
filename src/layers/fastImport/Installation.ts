/**
 * Which Postgres the job runs, and its cluster, made new.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`, `libs/postgres_initdb/src/lib.rs`.
 */
import * as Effect from "effect/Effect"
import { initdb } from "../../domain/fastImport/commandLines.ts"
import { failing, JobFailed } from "../../domain/fastImport/JobFailed.ts"
import { type MajorTraits, majorOf, SERVED, traitsOf } from "../../domain/postgres/Majors.ts"
import { describeEnd, type Ended } from "../machine/child/Children.ts"
import { Programs } from "./Programs.ts"

/** The original ends so where it does not know the version, or finds none. */
const PANIC = 101
/** It writes some hundred files; nobody waits for a disk. */
const INITDB_LIMIT = "10 minutes"

export const isWell = (ended: Ended): boolean => ended._tag === "Exited" && ended.code === 0

export const askMajor: Effect.Effect<MajorTraits, JobFailed, Programs> = Effect.gen(function* () {
  const programs = yield* Programs
  const unknown = (why: string) =>
    new JobFailed({ message: "unsupported version of Postgres", cause: new Error(why), exit: PANIC })
  const { stderr, stdout } = yield* Effect.mapError(programs.ask("pg_config", ["--version"]), ({ message }) =>
    unknown(message)
  )
  const major = majorOf(stdout)
  if (major === null) return yield* unknown(`pg_config --version says: ${stdout}${stderr}`)
  const traits = traitsOf(major)
  return traits ?? (yield* unknown(`${stdout.trim()} is not one of ${SERVED}`))
})

export const initialize = (pgdata: string, major: MajorTraits): Effect.Effect<void, JobFailed, Programs> =>
  Effect.gen(function* () {
    const programs = yield* Programs
    const { ended, stderr } = yield* programs
      .ask("initdb", initdb(pgdata, major, process.platform), INITDB_LIMIT)
      .pipe(Effect.mapError(failing("initdb")))
    if (isWell(ended)) return
    yield* failing("initdb")(new Error(`initdb ended with ${describeEnd(ended)}: ${stderr}`))
  })
