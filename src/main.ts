import * as path from "node:path"
import { startupSnapshot } from "node:v8"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Environment } from "./cli/arguments.ts"
import { untilReaderLeaves } from "./cli/output.ts"
import { run } from "./cli/run.ts"
import { withSteadyClock } from "./layers/compute/clock/SteadyClock.ts"
import { endProcess } from "./layers/machine/process/EndOfProcess.ts"
import { hideFromLibraries, hideFromRuntime } from "./layers/machine/process/Environment.ts"
import { runUnderInit } from "./layers/machine/process/ProcessOne.ts"
import { decodeVariables, Variables } from "./layers/machine/process/Variables.ts"
import { divert } from "./layers/observe/log/divert.ts"
import { writeLine } from "./layers/observe/log/StandardError.ts"

/** The drop-in form has no positional arguments: what begins with a word is a verb, or meant to be one. */
const verb = async (argv: ReadonlyArray<string>) => (await import("./cli/verbs/run.ts")).runVerb(argv)

/** Another program, with a command line of its own. */
const fastImport = async (argv: ReadonlyArray<string>, env: Environment) =>
  (await import("./cli/fastImport/fastImport.ts")).fastImport(argv, env)

/** The program's other name, that of a link to it: its command line is that of the verb. */
const OTHER_NAME = "fast_import"
const IMPORT = "fast-import"

export const main = () => {
  hideFromLibraries()
  divert("stderr")
  const { env } = process
  const given = process.argv.slice(2)
  const argv = path.basename(process.argv0) === OTHER_NAME ? [IMPORT, ...given] : given
  const [first = "", ...rest] = argv
  const isVerb = /^[a-z]/i.test(first)
  if (!isVerb || first === "dev" || first === "emulate") runUnderInit()
  const program = isVerb
    ? Effect.flatten(Effect.promise(() => (first === IMPORT ? fastImport(rest, env) : verb(argv))))
    : run(argv, env)
  const informed = Effect.provideService(program, Variables, decodeVariables(env))
  Effect.runFork(withSteadyClock(untilReaderLeaves(informed))).addObserver((exit) => {
    if (Exit.isFailure(exit)) writeLine(`Error: ${Cause.pretty(exit.cause)}`)
    void endProcess(Exit.isSuccess(exit) ? exit.value : 1)
  })
}

/** What a start needs and is not loaded with this module: the executable has it in its snapshot of the heap. */
export const preload = () =>
  Promise.all([
    import("./http/server/servers.ts"),
    import("./layers/controlPlane/controlPlane.ts"),
    import("./layers/observe/trace/RecordedSpan.ts"),
    import("./layers/observe/trace/exporter.ts")
  ])

/** Lives a whole life while the snapshot is made: V8 keeps the bytecode of what has run. */
export const rehearse = (argv: ReadonlyArray<string>, env: Environment): Promise<number> => {
  hideFromLibraries()
  divert("stderr")
  return Effect.runPromise(
    withSteadyClock(untilReaderLeaves(Effect.provideService(run(argv, env), Variables, decodeVariables(env))))
  )
}

/** The last thing before the snapshot is taken. */
export const seal = hideFromRuntime

if (!startupSnapshot.isBuildingSnapshot()) main()
