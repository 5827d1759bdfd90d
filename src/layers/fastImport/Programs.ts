/**
 * The programs of Postgres that a job runs. What they write is relayed into the log, to the last line; of their environment
 * they see only what they need.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`, `compute_tools/src/bin/fast_import/child_stdio_to_log.rs`.
 */
import * as path from "node:path"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { childVariables } from "../../domain/fastImport/commandLines.ts"
import { Account } from "../machine/Account.ts"
import { type Child, Children, type Ended, type SpawnFailed } from "../machine/child/Children.ts"
import { ImportOptions } from "./ImportOptions.ts"

/** Lines of its standard error that are kept for whoever asks why it failed. */
const LAST_LINES = 10
const SHORT = "30 seconds"

export interface Relayed {
  readonly pid: number
  readonly stop: Child["stop"]
  /** When its last line has been relayed too. */
  readonly ended: Effect.Effect<Ended>
  /** The end of what it wrote to standard error. */
  readonly lastWords: () => string
  readonly raw: Child["raw"]
}

export interface RelayOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly ladder?: ReadonlyArray<readonly [NodeJS.Signals, Duration.Input]>
  readonly onLine?: (line: string) => Effect.Effect<void>
  /** Its input or output is bytes for somebody else. */
  readonly raw?: "stdin" | "stdout"
}

export interface Answer {
  readonly ended: Ended
  readonly stdout: string
  readonly stderr: string
}

export class Programs extends Context.Service<
  Programs,
  {
    /** The end of a short one, with what it wrote. */
    readonly ask: (
      name: string,
      args: ReadonlyArray<string>,
      limit?: Duration.Input
    ) => Effect.Effect<Answer, SpawnFailed>
    /** Starts one whose lines go into the log. */
    readonly start: (
      name: string,
      args: ReadonlyArray<string>,
      options?: RelayOptions
    ) => Effect.Effect<Relayed, SpawnFailed, Scope.Scope>
  }
>()("fastImport/Programs") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

function* make() {
  const { binDir, env, libDir } = yield* ImportOptions
  const { postgres: account } = yield* Account
  const children = yield* Children
  const variables = childVariables(libDir, env)
  const bin = path.resolve(binDir)

  const start = Effect.fnUntraced(function* (name: string, args: ReadonlyArray<string>, options: RelayOptions = {}) {
    const words: Array<string> = []
    const child = yield* children.spawn(path.join(bin, name), {
      args,
      account,
      bare: true,
      env: { ...variables, ...options.env },
      // A Ctrl-C at the terminal is ours to pass on.
      detached: true,
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      ...(options.ladder !== undefined && { ladder: options.ladder }),
      ...(options.raw !== undefined && { [options.raw]: "raw" })
    })
    const relay = (fd: "stdout" | "stderr", lines: Stream.Stream<string>) =>
      Stream.runForEach(lines, (line) => {
        if (fd === "stderr" && words.push(line) > LAST_LINES) words.shift()
        return Effect.andThen(Effect.annotateLogs(Effect.logInfo(line), { fd }), options.onLine?.(line) ?? Effect.void)
      })
    const relays = yield* Effect.forkScoped(
      Effect.all([relay("stdout", child.stdout), relay("stderr", child.stderr)], { concurrency: 2 })
    )
    const ended = Effect.tap(child.ended, () => Fiber.await(relays))
    return { pid: child.pid, stop: child.stop, ended, lastWords: () => words.join("\n"), raw: child.raw }
  })

  return Programs.of({
    ask: (name, args, limit = SHORT) =>
      children.run(path.join(bin, name), { args, account, bare: true, env: variables, timeout: limit }),
    start
  })
}
