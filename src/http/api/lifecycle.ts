/**
 * The life of the compute: what it is, giving it a spec, ending it.
 */
import * as Result from "effect/Result"
import { ConfigurationRequest } from "../../domain/spec/ComputeConfig.ts"
import { endpoint, SPEC_LIMIT } from "./Endpoint.ts"
import * as Query from "./Query.ts"

export const status = endpoint("status", {
  method: "GET",
  path: "/status",
  summary: "What this compute is and does"
})

export const statusDetail = endpoint("status_detail", {
  method: "GET",
  path: "/status/detail",
  summary: "Since when, what is being waited for and until when, the services and their last errors"
})

export const metricsJson = endpoint("metrics_json", {
  method: "GET",
  path: "/metrics.json",
  summary: "What the start took"
})

export const metrics = endpoint("metrics", {
  method: "GET",
  path: "/metrics",
  auth: false,
  summary: "Metrics in the text format of Prometheus",
  success: { 200: "text/plain; version=0.0.4" },
  failures: [500]
})

export const configure = endpoint("configure", {
  method: "POST",
  path: "/configure",
  summary: "Gives the compute a spec and answers when it runs with it, or has failed to",
  body: ConfigurationRequest,
  limit: SPEC_LIMIT,
  failures: [400, 412, 500]
})

const TERMINATE = {
  mode: Query.withDefault(Query.oneOf("fast", "immediate"), null),
  if_idle: Query.withDefault(Query.natural, null)
}

/** `mode` may be left out together with the whole query, or beside `if_idle`, which the original does not know. */
const terminateQuery: Query.Query<Query.QueryOf<typeof TERMINATE> | null> = {
  params: TERMINATE,
  decode: (given) =>
    Result.filterOrFail(
      Query.optionalQuery(TERMINATE).decode(given),
      (values) => values === null || values.mode !== null || values.if_idle !== null,
      () => "missing field `mode`"
    )
}

export const terminate = endpoint("terminate", {
  method: "POST",
  path: "/terminate",
  summary:
    "Stops the compute; answers with the LSN at which the safekeepers are in sync. With `if_idle`, only when nobody has used it for so many seconds",
  query: terminateQuery,
  rejections: "text",
  success: { 200: "application/json", 201: "application/json" },
  failures: [409, 412]
})
