/**
 * A running process, and how to ask for one.
 */
import type { Readable, Writable } from "node:stream"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"

/** How a process ended. */
export type Ended =
  | { readonly _tag: "Exited"; readonly code: number }
  | { readonly _tag: "Killed"; readonly signal: NodeJS.Signals }

export interface Child {
  readonly pid: number
  readonly ended: Effect.Effect<Ended>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Sends the first signal and waits its limit, then the next; the last one has no limit. */
  readonly stop: (ladder: ReadonlyArray<readonly [NodeJS.Signals, Duration.Input]>) => Effect.Effect<Ended>
  /** Lines as they come; empty when it is not piped. Bytes that are not UTF-8 are replaced. */
  readonly stdout: Stream.Stream<string>
  readonly stderr: Stream.Stream<string>
  /** What was asked for as `raw`: for whoever moves bytes from one to another. */
  readonly raw: { readonly stdin: Writable | null; readonly stdout: Readable | null }
}

export interface ChildOptions {
  readonly args?: ReadonlyArray<string>
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>
  /** It sees of the environment what `env` says and nothing else. */
  readonly bare?: boolean
  readonly cwd?: string
  /** `pipe`: one that nothing is written to, and that closes when this process ends, however it does. `raw`: for us to write. */
  readonly stdin?: "ignore" | "inherit" | "pipe" | "raw"
  /** `log`: its lines go into our log as they are. An inherited pipe that nobody reads would stop the child. */
  readonly stdout?: "pipe" | "inherit" | "ignore" | "log" | "raw"
  readonly stderr?: "pipe" | "inherit" | "ignore" | "log"
  /** A process group of its own: a Ctrl-C at the terminal does not reach it. */
  readonly detached?: boolean
  /** The compute ends without it: when memory runs out it is as late to be ended as we are. */
  readonly vital?: boolean
  /** Another account to run as; only root can. */
  readonly account?: { readonly uid: number; readonly gid: number } | null
  /** What the scope does when it closes while the process runs. Default: SIGTERM 5 s, SIGKILL. */
  readonly ladder?: ReadonlyArray<readonly [NodeJS.Signals, Duration.Input]>
}
