/**
 * `fast_import`: the program's other name. Its log goes to stdout, one JSON object a line.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`.
 */
import { availableParallelism } from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { logLine } from "../../domain/fastImport/logLine.ts"
import { processTitle } from "../../domain/fastImport/processTitle.ts"
import { parseFilter } from "../../domain/observe/LogFilter.ts"
import { handleSignals } from "../../layers/compute/stop/Signals.ts"
import { StopRequests } from "../../layers/compute/stop/StopRequests.ts"
import { ImportOptions, type ImportSettings } from "../../layers/fastImport/ImportOptions.ts"
import { Interrupts } from "../../layers/fastImport/Interrupts.ts"
import { Programs } from "../../layers/fastImport/Programs.ts"
import { ProgressReport } from "../../layers/fastImport/ProgressReport.ts"
import { Account } from "../../layers/machine/Account.ts"
import { Children } from "../../layers/machine/child/Children.ts"
import { Uncaught } from "../../layers/machine/process/Uncaught.ts"
import { Log } from "../../layers/observe/log/Log.ts"
import { openInherited } from "../../layers/observe/log/StandardError.ts"
import { job } from "../../programs/fastImport/job.ts"
import { complain, misused } from "../output.ts"
import { type Environment, helpText, parseArguments, type Wanted } from "./arguments.ts"

const STDOUT = 1
/** Milliseconds for what is left to be logged. */
const LAST_WORDS = 1000

/** The program's name as it was started under. */
const nameOf = (argv0: string): string => {
  const name = path.basename(argv0)
  return name === "fast_import" ? name : "compute_ctl fast-import"
}

/** Connection strings of the command line are taken out of what every user of the machine sees of it. */
const hideSecrets = (argv: ReadonlyArray<string>) => {
  const title = processTitle(nameOf(process.argv0), argv)
  if (title !== null) process.title = title
}

/** What is logged: `RUST_LOG` names this program; one that names only others leaves its errors. */
const levelOf = (filter: string | undefined) => parseFilter(filter, ["fast_import"], "ERROR")

const services = (settings: ImportSettings) =>
  Layer.mergeAll(Programs.layer, ProgressReport.layer).pipe(
    Layer.provideMerge(Layer.mergeAll(Account.layer, Children.layer, Uncaught.layer)),
    Layer.provideMerge(Interrupts.layer),
    Layer.provideMerge(StopRequests.layer),
    Layer.provideMerge(Layer.succeed(ImportOptions, settings))
  )

/** Signals first: from here on nothing that was started is left behind by one. */
const run = (settings: ImportSettings) =>
  handleSignals.pipe(
    Effect.andThen(job),
    Effect.scoped,
    Effect.provide(services(settings)),
    Effect.flatMap(({ complaint, exit }) =>
      Effect.as(complaint === null ? Effect.void : complain(`Error: ${complaint}`), exit)
    )
  )

const follow = (wanted: Wanted, print: (text: string) => Effect.Effect<void>) =>
  wanted._tag === "Help" ? Effect.as(print(helpText(nameOf(process.argv0), wanted.command)), 0) : run(wanted.settings)

/** Succeeds with the exit code. */
export const fastImport = (argv: ReadonlyArray<string>, env: Environment): Effect.Effect<number> =>
  Effect.suspend(() => {
    hideSecrets(argv)
    const stdout = openInherited(STDOUT)
    const print = (text: string) => Effect.sync(() => void stdout.write(text))
    return Effect.gen(function* () {
      yield* Effect.logInfo("starting")
      const wanted = parseArguments(argv, env, availableParallelism())
      return yield* Result.isFailure(wanted) ? misused(wanted.failure) : follow(wanted.success, print)
    }).pipe(
      Effect.provide(Log.layer({ format: logLine, level: levelOf(env["RUST_LOG"]), write: stdout.write })),
      Effect.ensuring(Effect.promise(() => stdout.drain(LAST_WORDS)))
    )
  })
