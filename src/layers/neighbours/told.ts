import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { neighbourConfigured } from "../../domain/observe/MetricFamilies.ts"
import type { Metrics } from "../observe/Metrics.ts"

/** Shows whether a neighbour has what the spec wants for it. What was broken off says nothing of that. */
export const told =
  (neighbour: "local_proxy" | "pgbouncer" | "rsyslogd", metrics: Metrics["Service"]) =>
  <A, E, R>(telling: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.onExit(telling, (exit) =>
      Exit.hasInterrupts(exit)
        ? Effect.void
        : metrics.set(neighbourConfigured, { neighbour }, Exit.isSuccess(exit) ? 1 : 0)
    )
