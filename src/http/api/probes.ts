/**
 * Probes for orchestrators and scrapers: no token, tiny answers.
 */
import { endpoint } from "./Endpoint.ts"

const probe = <const Name extends string>(name: Name, summary: string, failures: ReadonlyArray<number>) =>
  endpoint(name, {
    method: "GET",
    path: `/${name}`,
    auth: false,
    quiet: true,
    summary,
    success: { 200: name === "readyz" ? "application/json" : "text/plain; charset=utf-8" },
    failures
  })

export const livez = probe("livez", "The supervisor answers; Postgres is not touched", [])
export const startupz = probe("startupz", "The start is under way or done; 503 when it has failed", [503])
export const readyz = probe("readyz", "Postgres accepts connections; on a standby also how far behind it is", [503])

export const autoscalingMetrics = endpoint("autoscaling_metrics", {
  method: "GET",
  path: "/autoscaling_metrics",
  auth: false,
  summary: "Metrics of the local file cache, from Postgres",
  success: { 200: "application/text" },
  failures: [500]
})
