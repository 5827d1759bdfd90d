/**
 * The Postgres that `dev` and `emulate` run.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { findPostgres } from "../../../emulator/postgres/postgresBinaries.ts"
import { workingDirectory } from "../../../layers/machine/child/workingDirectory.ts"
import { Variables } from "../../../layers/machine/process/Variables.ts"
import { UsageError } from "../../flags.ts"

const isProgram = (file: string): boolean => {
  try {
    fs.accessSync(file, fs.constants.X_OK)
    return fs.statSync(file).isFile()
  } catch {
    return false
  }
}

/** The one that was named, else one of the system, else the packaged one; null where there is none. */
export const choosePostgres = (given: string | null): Effect.Effect<string | null, UsageError> =>
  Effect.flatMap(Variables, ({ postgresPath }) => {
    const named = given ?? postgresPath
    if (named === null) {
      const near = [workingDirectory() ?? process.cwd(), path.dirname(process.execPath)]
      return Effect.succeed(findPostgres(near)[0] ?? null)
    }
    if (isProgram(named)) return Effect.succeed(named)
    const flag = given === null ? "POSTGRES_PATH" : "--pgbin"
    const found = findPostgres([])[0]
    const hint = found === undefined ? "without it, a packaged one is run" : `there is one at ${found}`
    return Effect.fail(new UsageError({ message: `${flag}: there is no program ${named} that may be run`, hint }))
  })
