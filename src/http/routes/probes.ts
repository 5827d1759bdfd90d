/**
 * Probes for orchestrators. They carry no token because kubelets send none, and they tell nothing about the tenant.
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { ComputeState, type State } from "../../layers/compute/ComputeState.ts"
import { PostgresExporter } from "../../layers/neighbours/exporter/PostgresExporter.ts"
import { Metrics } from "../../layers/observe/Metrics.ts"
import { Readiness } from "../../layers/postgres/Readiness.ts"
import { External } from "../api/Api.ts"
import { NotReady, NotStarted } from "../api/probes.ts"
import { Failed } from "../api/shapes/Refusal.ts"
import { orRefuse } from "../server/answers/answers.ts"

/** A start that failed stays failed; a reconfiguration that failed leaves Postgres as it was. */
export const startWord = ({ postgresRuns, status }: State): "ok\n" | "starting\n" | "failed\n" => {
  if (postgresRuns) return status === "init" ? "starting\n" : "ok\n"
  if (status === "init" || status === "configuration_pending") return "starting\n"
  return status === "failed" ? "failed\n" : "ok\n"
}

const started = Effect.flatMap(ComputeState.current, (state) => {
  const word = startWord(state)
  return word === "ok\n" ? Effect.succeed(word) : Effect.fail(NotStarted.make({ word }))
})

const ready = Effect.flatMap(Readiness, ({ check }) => check).pipe(
  Effect.mapError(({ message }) => NotReady.make({ reason: message }))
)

export const probes = HttpApiBuilder.group(External, "probes", (handlers) =>
  handlers.handleAll({
    livez: () => Effect.succeed("ok\n"),
    startupz: () => started,
    readyz: () => ready,
    poolz: () =>
      Effect.flatMap(ComputeState.current, ({ status }) =>
        status === "empty" ? Effect.succeed({ ready: true as const, standby: null }) : ready
      ),
    metrics: () => Effect.flatMap(Metrics, ({ render }) => render),
    // Source: `compute_tools/src/http/routes/autoscaling_metrics.rs`.
    autoscaling_metrics: () =>
      Effect.flatMap(PostgresExporter, (exporter) => exporter.autoscaling).pipe(
        Effect.map(({ status, contentType, body }) =>
          HttpServerResponse.uint8Array(body, { status, ...(contentType !== null && { contentType }) })
        ),
        orRefuse(Failed)
      )
  })
)
