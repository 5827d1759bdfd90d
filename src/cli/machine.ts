/**
 * What the command line says about this machine, checked before anything else is done.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import type { ComputeOptions } from "../layers/compute/Options.ts"
import type { Environment } from "./arguments.ts"

/** A setting that no start could succeed with: exit 1. */
export class MachineUnfit extends Data.TaggedError("MachineUnfit")<{ readonly message: string }> {}

const isExecutable = (file: string): boolean => {
  try {
    fs.accessSync(file, fs.constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A name without a folder is looked up in PATH, so that its neighbours can be found beside it. */
const resolveBinary = (pgbin: string, searchPath: string): string | undefined =>
  pgbin.includes("/")
    ? pgbin
    : searchPath
        .split(":")
        .filter((folder) => folder !== "")
        .map((folder) => path.join(folder, pgbin))
        .find(isExecutable)

/** The connection URI as the driver wants it; messages never repeat it, since it may hold a password. */
const checkConnstr = (connstr: string): Result.Result<void, MachineUnfit> => {
  if (!URL.canParse(connstr)) return Result.fail(new MachineUnfit({ message: "cannot parse connstr as a URL" }))
  const { protocol } = new URL(connstr)
  return protocol === "postgresql:" || protocol === "postgres:"
    ? Result.succeed(undefined)
    : Result.fail(new MachineUnfit({ message: `--connstr: ${protocol}// is not a Postgres connection URI` }))
}

/** The options with the path of Postgres made whole. */
export const checkMachine = (options: ComputeOptions, env: Environment): Result.Result<ComputeOptions, MachineUnfit> =>
  Result.gen(function* () {
    yield* checkConnstr(options.connstr)
    const pgbin = resolveBinary(options.pgbin, env.PATH ?? "")
    if (pgbin === undefined || !isExecutable(pgbin)) {
      return yield* Result.fail(
        new MachineUnfit({ message: `--pgbin: there is no program ${options.pgbin} that may be run` })
      )
    }
    return { ...options, pgbin }
  })
