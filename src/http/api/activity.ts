/**
 * Why the compute counts as in use. Not in the original.
 */
import { endpoint } from "./Endpoint.ts"

export const activity = endpoint("activity", {
  method: "GET",
  path: "/activity",
  summary: "Whether the compute is in use, by whom or what, and since when"
})
