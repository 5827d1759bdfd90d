/**
 * Service fibers: work that runs beside Postgres for as long as the compute does. One that fails says so, counts it and
 * comes back with capped backoff; it never takes the compute down.
 */

import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { serviceRestarts, serviceUp } from "../../domain/observe/MetricFamilies.ts"
import { Metrics } from "../observe/Metrics.ts"

export interface ServiceStatus {
  readonly name: string
  readonly state: "running" | "backing off" | "ended"
  readonly restarts: number
  readonly lastError: string | null
}

export interface RestartPolicy {
  /** First pause; doubles up to `cap`, and starts anew after a run longer than `cap`. Defaults: 200 ms, 10 s. */
  readonly base?: Duration.Input
  readonly cap?: Duration.Input
  /** What to do when the effect succeeds. Default: it has ended. */
  readonly onSuccess?: "end" | "restart"
}

/** Shows what keeps the service that the effect runs in from its work, while it goes on; null when that is over. */
export const ServiceTrouble = Context.Reference<(trouble: string | null) => Effect.Effect<void>>(
  "compute/ServiceTrouble",
  { defaultValue: () => () => Effect.void }
)

export class Supervisor extends Context.Service<
  Supervisor,
  {
    /** Forks the service into the scope. A name that runs already is replaced. */
    readonly run: <E, R>(
      name: string,
      service: Effect.Effect<void, E, R>,
      policy?: RestartPolicy
    ) => Effect.Effect<void, never, R | Scope.Scope>
    readonly current: Effect.Effect<ReadonlyArray<ServiceStatus>>
  }
>()("compute/Supervisor") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

/** The message of a failure that somebody foresaw; the whole cause, with its stack, of one that nobody did. */
const describe = (cause: Cause.Cause<unknown>): string => {
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "Some" && failure.value instanceof Error) return failure.value.message
  return Cause.pretty(cause)
}

function* make() {
  const metrics = yield* Metrics
  const clock = yield* Clock.Clock
  const fibers = yield* FiberMap.make<string>()
  const statuses = new Map<string, ServiceStatus>()
  yield* metrics.gauge(
    serviceUp,
    Effect.sync(() =>
      [...statuses.values()]
        .filter(({ state }) => state === "backing off")
        .map(({ name }) => ({ labels: { service: name }, value: 0 }))
    )
  )

  const supervise = <E, R>(name: string, service: Effect.Effect<void, E, R>, policy: RestartPolicy) =>
    Effect.gen(function* () {
      const base = Duration.fromInputUnsafe(policy.base ?? "200 millis")
      const cap = Duration.fromInputUnsafe(policy.cap ?? "10 seconds")
      let pause = base
      let status: ServiceStatus = {
        name,
        state: "running",
        restarts: statuses.get(name)?.restarts ?? 0,
        lastError: null
      }
      const become = (change: Partial<ServiceStatus>) => {
        status = { ...status, ...change }
        statuses.set(name, status)
      }
      for (;;) {
        become({ state: "running" })
        const began = clock.currentTimeMillisUnsafe()
        const trouble = (lastError: string | null) => Effect.sync(() => become({ lastError }))
        const exit = yield* Effect.exit(Effect.provideService(service, ServiceTrouble, trouble))
        if (Exit.isSuccess(exit) && policy.onSuccess !== "restart") return become({ state: "ended" })
        if (clock.currentTimeMillisUnsafe() - began > Duration.toMillis(cap)) pause = base
        const lastError = Exit.isFailure(exit) ? describe(exit.cause) : null
        become({ state: "backing off", restarts: status.restarts + 1, lastError: lastError ?? status.lastError })
        yield* metrics.increment(serviceRestarts, { service: name })
        if (lastError !== null) {
          yield* Effect.logWarning(`service ${name} failed, again in ${Duration.format(pause)}: ${lastError}`)
        }
        yield* Effect.sleep(pause)
        pause = Duration.min(Duration.times(pause, 2), cap)
      }
    }).pipe(Effect.annotateLogs({ service: name }))

  return Supervisor.of({
    current: Effect.sync(() => [...statuses.values()]),
    run: (name, service, policy = {}) =>
      // The old fiber is gone before the new one begins: two of the same name would share a port or a file.
      FiberMap.remove(fibers, name).pipe(
        Effect.andThen(Effect.forkScoped(Effect.interruptible(supervise(name, service, policy)))),
        Effect.flatMap((fiber) => FiberMap.set(fibers, name, fiber)),
        Effect.uninterruptible
      )
  })
}
