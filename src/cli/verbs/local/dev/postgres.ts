/**
 * The Postgres that `dev` and `emulate` run.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { SERVED, traitsOf } from "../../../../domain/postgres/Majors.ts"
import { versionOf } from "../../../../emulator/postgres/Distribution.ts"
import { findMajor, findPostgres } from "../../../../emulator/postgres/postgresBinaries.ts"
import { workingDirectory } from "../../../../layers/machine/child/workingDirectory.ts"
import { Variables } from "../../../../layers/machine/process/Variables.ts"
import { UsageError } from "../../../flags.ts"
import { isProgram } from "../../../program.ts"

const near = (): ReadonlyArray<string> => [workingDirectory() ?? process.cwd(), path.dirname(process.execPath)]

/** One of this major version. */
export const chooseMajor = (major: number): Effect.Effect<string, UsageError> =>
  Effect.gen(function* () {
    if (traitsOf(major) === null) {
      const hint = "see compute_ctl dev --help"
      return yield* new UsageError({ message: `a compute runs ${SERVED}, and not ${major}`, hint })
    }
    for (const pgbin of findMajor(near(), major)) {
      const version = yield* Effect.orElseSucceed(versionOf(pgbin), () => "")
      if (Number.parseInt(version, 10) === major) return pgbin
    }
    return yield* new UsageError({ message: `no Postgres ${major} found`, hint: "name one with --pgbin PATH" })
  })

/** The one that was named, else one of the system, else the packaged one; null where there is none. */
export const choosePostgres = (given: string | null): Effect.Effect<string | null, UsageError> =>
  Effect.flatMap(Variables, ({ postgresPath }) => {
    const named = given ?? postgresPath
    if (named === null) return Effect.succeed(findPostgres(near())[0] ?? null)
    if (isProgram(named)) return Effect.succeed(named)
    const flag = given === null ? "POSTGRES_PATH" : "--pgbin"
    const found = findPostgres([])[0]
    const hint = found === undefined ? "without it, a packaged one is run" : `there is one at ${found}`
    return Effect.fail(new UsageError({ message: `${flag}: there is no program ${named} that may be run`, hint }))
  })
