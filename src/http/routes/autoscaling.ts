/**
 * `GET /autoscaling_metrics`: what Postgres exports on its socket, passed on.
 *
 * Source: `compute_tools/src/http/routes/autoscaling_metrics.rs`.
 */

import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { PostgresExporter } from "../../layers/neighbours/exporter/PostgresExporter.ts"
import { autoscalingMetrics } from "../api/probes.ts"
import { orStatus, route } from "../server/Route.ts"

export const routes = [
  route(autoscalingMetrics, () =>
    Effect.flatMap(PostgresExporter, (exporter) => exporter.autoscaling).pipe(
      Effect.map(({ status, contentType, body }) =>
        HttpServerResponse.stream(body, { status, ...(contentType !== null && { contentType }) })
      ),
      orStatus(500)
    )
  )
] as const
