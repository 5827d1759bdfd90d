/**
 * Child processes: exit is data, `signal` returns at once, output is always drained, nobody outlives its scope.
 *
 * `@effect/platform`'s Command waits for the exit after each signal and stops with SIGTERM, which Postgres takes as
 * "smart" shutdown.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { childExits } from "../../../domain/observe/MetricFamilies.ts"
import { Metrics } from "../../observe/Metrics.ts"
import type { Child, ChildOptions, Ended } from "./Child.ts"
import type { SpawnFailed } from "./errors.ts"
import { run, spawn } from "./process.ts"

export type { Child, ChildOptions, Ended } from "./Child.ts"
export { SpawnFailed } from "./errors.ts"

export class Children extends Context.Service<
  Children,
  {
    readonly spawn: (program: string, options?: ChildOptions) => Effect.Effect<Child, SpawnFailed, Scope.Scope>
    /** Runs to the end and collects both outputs; for short helpers. */
    readonly run: (
      program: string,
      options?: ChildOptions & { readonly timeout?: Duration.Input }
    ) => Effect.Effect<{ readonly ended: Ended; readonly stdout: string; readonly stderr: string }, SpawnFailed>
  }
>()("compute/Children") {
  static readonly layer = Layer.succeed(this, { spawn, run })

  /** Counts how children end. */
  static readonly layerCounted = Layer.effect(
    this,
    Effect.map(Metrics, (metrics) => {
      const count = (program: string, ended: Ended) =>
        metrics.increment(childExits, {
          program: program.slice(program.lastIndexOf("/") + 1),
          result: ended._tag === "Exited" ? String(ended.code) : ended.signal
        })
      return {
        spawn: (program, options) =>
          Effect.tap(spawn(program, options), (child) =>
            Effect.forkScoped(Effect.flatMap(child.ended, (ended) => count(program, ended)))
          ),
        run: (program, options) => Effect.tap(run(program, options), ({ ended }) => count(program, ended))
      }
    })
  )
}

/** The conventional number: the exit code, or 1 when a signal ended it. */
export const exitCode = (ended: Ended): number => (ended._tag === "Exited" ? ended.code : 1)

/** `code 3` or `signal SIGKILL`. */
export const describeEnd = (ended: Ended): string =>
  ended._tag === "Exited" ? `code ${ended.code}` : `signal ${ended.signal}`
