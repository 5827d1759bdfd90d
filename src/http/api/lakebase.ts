/**
 * Routes of lakebase deployments.
 */
import { endpoint } from "./Endpoint.ts"

export const livenessProbe = endpoint("hadron_liveness_probe", {
  method: "GET",
  path: "/hadron_liveness_probe",
  summary: "Whether Postgres accepts connections on its local socket",
  failures: [500]
})
