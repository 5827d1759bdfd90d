/**
 * A command line that begins with a verb.
 */
import * as NodeChildProcessSpawner from "@effect/platform-node/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeStdio from "@effect/platform-node/NodeStdio"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Terminal from "effect/Terminal"
import { BUILD_TAG } from "../buildTag.ts"
import { columns } from "../output.ts"
import { Outcome } from "./commands/verb.ts"
import { root } from "./commands.ts"
import { presenter } from "./present.ts"

const WRONG_USE = 2
/** A script takes 2 of `plan` for changes that are pending. */
const wrongUseOf = (verb: string | undefined): number => (verb === "plan" ? 1 : WRONG_USE)

/** Nothing is asked, and the streams of the process are left alone. */
const terminal = Terminal.make({
  columns: Effect.sync(() => columns() ?? 80),
  rows: Effect.succeed(24),
  size: Effect.die("nothing is asked"),
  readInput: Effect.die("nothing is asked"),
  readLine: Effect.die("nothing is asked"),
  display: () => Effect.void
})

const services = NodeChildProcessSpawner.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeStdio.layer)),
  Layer.merge(Layer.succeed(Terminal.Terminal, terminal)),
  Layer.merge(CliOutput.layerPresenter(presenter)),
  Layer.merge(CliConfig.layer({ builtIns: [GlobalFlag.Help] }))
)

const parse = Command.runWith(root, { version: BUILD_TAG })

/** Succeeds with the exit code. */
export const runVerb = (argv: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.gen(function* () {
    const outcome = yield* Ref.make(0)
    const wrong = yield* parse(argv).pipe(
      Effect.provideService(Outcome, outcome),
      Effect.as(null),
      Effect.catch(() => Effect.succeed(wrongUseOf(argv[0])))
    )
    return wrong ?? (yield* Ref.get(outcome))
  }).pipe(Effect.provide(services))
