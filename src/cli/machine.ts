/**
 * What the command line says about this machine, checked before anything else is done.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import type { ComputeOptions } from "../layers/compute/Options.ts"
import type { Environment } from "./arguments.ts"
import { findProgram } from "./program.ts"

/** A setting that no start could succeed with: exit 1. */
export class MachineUnfit extends Data.TaggedError("MachineUnfit")<{ readonly message: string }> {}

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
    // With its folder, so that its neighbours can be found beside it.
    const pgbin = findProgram(options.pgbin, env.PATH)
    if (pgbin === null) {
      return yield* Result.fail(
        new MachineUnfit({ message: `--pgbin: there is no program ${options.pgbin} that may be run` })
      )
    }
    return { ...options, pgbin }
  })
