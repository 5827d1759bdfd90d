/**
 * Probes for orchestrators and scrapers: no token, tiny answers.
 */

import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { Ready } from "../../domain/status/Ready.ts"
import { Failed } from "./shapes/Refusal.ts"
import { Quiet, Scraped } from "./traits.ts"

const Word = Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/plain; charset=utf-8" }))

export const NotStarted = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Struct({ _tag: Schema.tag("NotStarted"), word: Schema.String }),
    SchemaTransformation.transform({
      decode: (word) => ({ _tag: "NotStarted" as const, word }),
      encode: ({ word }) => word
    })
  ),
  HttpApiSchema.asText({ contentType: "text/plain; charset=utf-8" }),
  HttpApiSchema.status(503),
  Schema.annotate({ description: "The start is under way, or has failed" })
)

export const NotReady = Schema.Struct({ ready: Schema.Literal(false), reason: Schema.String })
  .annotate({ identifier: "NotReady" })
  .pipe(
    Schema.decodeTo(
      Schema.Struct({ _tag: Schema.tag("NotReady"), reason: Schema.String }),
      SchemaTransformation.transform({
        decode: ({ reason }) => ({ _tag: "NotReady" as const, reason }),
        encode: ({ reason }) => ({ ready: false as const, reason })
      })
    ),
    HttpApiSchema.status(503),
    Schema.annotate({ description: "Postgres does not accept connections, or its catalog does not match the spec yet" })
  )

const livez = HttpApiEndpoint.get("livez", "/livez", { success: Word })
  .annotate(Quiet, true)
  .annotate(OpenApi.Summary, "The supervisor answers; Postgres is not touched")

const startupz = HttpApiEndpoint.get("startupz", "/startupz", { success: Word, error: NotStarted })
  .annotate(Quiet, true)
  .annotate(
    OpenApi.Summary,
    "The start is done, or there is no spec to start with yet; 503 while it is under way and when it has failed"
  )

const readyz = HttpApiEndpoint.get("readyz", "/readyz", { success: Ready, error: NotReady })
  .annotate(Quiet, true)
  .annotate(OpenApi.Summary, "Started, and Postgres accepts connections; on a standby also how far behind it is")

const poolz = HttpApiEndpoint.get("poolz", "/poolz", { success: Ready, error: NotReady })
  .annotate(Quiet, true)
  .annotate(OpenApi.Summary, "As `/readyz`, and an empty compute that waits for its spec is ready too")

/** Without a charset parameter, as the original sends it. */
/** Without a charset parameter, as the original sends it. */
export const EXPOSITION = "text/plain; version=0.0.4"

const metrics = HttpApiEndpoint.get("metrics", "/metrics", {
  success: Schema.String.pipe(HttpApiSchema.asText({ contentType: EXPOSITION }))
})
  .annotate(Scraped, true)
  .annotate(OpenApi.Summary, "Metrics in the text format of Prometheus")

/** Answers with whatever Postgres exports, its status and content type included. */
const autoscalingMetrics = HttpApiEndpoint.get("autoscaling_metrics", "/autoscaling_metrics", {
  success: HttpApiSchema.StreamUint8Array({ contentType: "application/text" }),
  error: Failed
})
  .annotate(Scraped, true)
  .annotate(OpenApi.Summary, "Metrics of the local file cache, from Postgres")

export class Probes extends HttpApiGroup.make("probes", { topLevel: true })
  .add(livez, startupz, readyz, poolz, metrics, autoscalingMetrics)
  .annotate(OpenApi.Description, "For orchestrators and scrapers, without a token, port 3080") {}
