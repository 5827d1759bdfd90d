/**
 * Service fibers: work that runs beside Postgres for as long as the compute does. One that fails says so, counts it and
 * comes back with capped backoff; it never takes the compute down.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface ServiceStatus {
  readonly name: string
  readonly state: "running" | "backing off" | "ended"
  readonly restarts: number
  readonly lastError: string | null
}

export interface RestartPolicy {
  /** First pause; doubles up to `cap`, and starts anew after a run longer than `cap`. Defaults: 200 ms, 10 s. */
  readonly base?: Duration.DurationInput
  readonly cap?: Duration.DurationInput
  /** What to do when the effect succeeds. Default: it has ended. */
  readonly onSuccess?: "end" | "restart"
}

export class Services extends Context.Tag("compute/Services")<
  Services,
  {
    /** Forks the service into the scope. A name that runs already is replaced. */
    readonly run: <E, R>(
      name: string,
      service: Effect.Effect<void, E, R>,
      policy?: RestartPolicy
    ) => Effect.Effect<void, never, R | Scope.Scope>
    readonly current: Effect.Effect<ReadonlyArray<ServiceStatus>>
  }
>() {}
