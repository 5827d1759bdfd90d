/**
 * Probes for orchestrators. They carry no token because kubelets send none, and they tell nothing about the tenant.
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { PostgresExporter } from "../../layers/neighbours/exporter/PostgresExporter.ts"
import { Metrics } from "../../layers/observe/Metrics.ts"
import { Readiness } from "../../layers/postgres/Readiness.ts"
import { External } from "../api/Api.ts"
import { NotReady, StartFailed } from "../api/probes.ts"
import { Failed } from "../api/Refusal.ts"
import { orRefuse } from "../server/answers.ts"

/** A start that failed stays failed; a reconfiguration that failed leaves Postgres as it was. */
const started = Effect.flatMap(
  Effect.flatMap(ComputeState, ({ get }) => get),
  ({ postgresRuns, status }) =>
    status === "failed" && !postgresRuns ? Effect.fail(StartFailed.make({ word: "failed\n" })) : Effect.succeed("ok\n")
)

export const probes = HttpApiBuilder.group(External, "probes", (handlers) =>
  handlers.handleAll({
    livez: () => Effect.succeed("ok\n"),
    startupz: () => started,
    readyz: () =>
      Effect.flatMap(Readiness, ({ check }) => check).pipe(
        Effect.mapError(({ message }) => NotReady.make({ reason: message }))
      ),
    metrics: () => Effect.flatMap(Metrics, ({ render }) => render),
    // Source: `compute_tools/src/http/routes/autoscaling_metrics.rs`.
    autoscaling_metrics: () =>
      Effect.flatMap(PostgresExporter, (exporter) => exporter.autoscaling).pipe(
        Effect.map(({ status, contentType, body }) =>
          HttpServerResponse.stream(body, { status, ...(contentType !== null && { contentType }) })
        ),
        orRefuse(Failed)
      )
  })
)
