import { startupSnapshot } from "node:v8"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { run } from "./cli/run.ts"
import { withSteadyClock } from "./layers/compute/clock/SteadyClock.ts"
import { endProcess } from "./layers/machine/process/EndOfProcess.ts"
import { hideFromLibraries, hideFromRuntime } from "./layers/machine/process/Environment.ts"
import { runUnderInit } from "./layers/machine/process/ProcessOne.ts"
import { divert } from "./layers/observe/log/divert.ts"
import { writeLine } from "./layers/observe/log/StandardError.ts"

type Verb = (argv: ReadonlyArray<string>) => Effect.Effect<number>

/** What is not the start of a compute is loaded only when asked for. */
const verbs: Readonly<Record<string, () => Promise<Verb>>> = {
  check: async () => (await import("./cli/verbs/check.ts")).check,
  conf: async () => (await import("./cli/verbs/conf.ts")).conf,
  dev: async () => (await import("./cli/verbs/dev.ts")).dev,
  emulate: async () => (await import("./cli/verbs/emulate.ts")).emulate,
  openapi: async () => (await import("./cli/verbs/openapi.ts")).openapi,
  plan: async () => (await import("./cli/verbs/plan.ts")).plan,
  status: async () => (await import("./cli/verbs/status.ts")).status
}

const main = () => {
  hideFromLibraries()
  divert("stderr")
  const [first = "", ...rest] = process.argv.slice(2)
  const verb = Object.hasOwn(verbs, first) ? verbs[first] : undefined
  if (verb === undefined || first === "dev" || first === "emulate") runUnderInit()
  const program =
    verb === undefined
      ? run(process.argv.slice(2), process.env)
      : Effect.flatMap(Effect.promise(verb), (chosen) => chosen(rest))
  Effect.runFork(withSteadyClock(program)).addObserver((exit) => {
    if (Exit.isFailure(exit)) writeLine(`Error: ${Cause.pretty(exit.cause)}`)
    void endProcess(Exit.isSuccess(exit) ? exit.value : 1)
  })
}

/** The executable starts from a snapshot of the heap with these modules in it, evaluated when it was built. */
const preload = () => Promise.all([import("./http/server/servers.ts"), import("./layers/storage/pageserver/grpc.ts")])

if (startupSnapshot.isBuildingSnapshot()) {
  void preload().then(() => {
    hideFromRuntime()
    startupSnapshot.setDeserializeMainFunction(main)
  })
} else main()
