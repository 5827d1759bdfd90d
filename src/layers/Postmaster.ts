/**
 * The running Postgres: a resource that is stopped and reaped whenever its scope closes.
 *
 * Source: `compute_tools/src/compute.rs` (`start_postgres`), `compute_tools/src/pg_helpers.rs` (`wait_for_postgres`).
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ParsedSpec } from "../domain/ParsedSpec.ts"
import type { Ended } from "./Child.ts"

export class PostgresNotStarted extends Data.TaggedError("PostgresNotStarted")<{ readonly message: string }> {}

export interface RunningPostgres {
  readonly pid: number
  readonly ended: Effect.Effect<Ended>
  /** Succeeds when connections are accepted (a standby: when it is consistent). At most 60 s. */
  readonly ready: Effect.Effect<void, PostgresNotStarted>
  /** SIGHUP; false when the process is gone. */
  readonly reload: Effect.Effect<boolean>
  /** Fast: SIGINT, then SIGQUIT, then SIGKILL, each with its limit. Immediate: from SIGQUIT on. */
  readonly stop: (mode: "fast" | "immediate") => Effect.Effect<Ended>
}

export class Postmaster extends Context.Tag("compute/Postmaster")<
  Postmaster,
  {
    readonly start: (spec: ParsedSpec | null) => Effect.Effect<RunningPostgres, PostgresNotStarted, Scope.Scope>
    /** The one that runs now, if any: for reloads from anywhere. */
    readonly current: Effect.Effect<RunningPostgres | null>
    /** Starts and stops a throw-away Postgres, so that a virtual machine's memory and files are warm before a spec comes. */
    readonly warmUp: Effect.Effect<void, PostgresNotStarted>
  }
>() {}
