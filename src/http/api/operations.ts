/**
 * Operations on a running compute: refresh, promote, the local file cache.
 */
import * as Schema from "effect/Schema"
import { FailpointConfig } from "../../domain/observe/Failpoints.ts"
import { PromoteConfig } from "../../domain/spec/ComputeConfig.ts"
import { endpoint, SPEC_LIMIT } from "./Endpoint.ts"
import * as Query from "./Query.ts"

export const refreshConfiguration = endpoint("refresh_configuration", {
  server: "internal",
  method: "POST",
  path: "/refresh_configuration",
  summary: "Asks the compute to look for a new spec",
  success: { 200: "" },
  failures: [500]
})

export const configureFailpoints = endpoint("failpoints", {
  server: "internal",
  method: "POST",
  path: "/failpoints",
  summary: "For tests of the program alone: where it is to fail or wait; 404 elsewhere",
  body: Schema.Array(FailpointConfig),
  success: { 200: "" },
  failures: [400, 404]
})

export const promote = endpoint("promote", {
  method: "POST",
  path: "/promote",
  summary: "Makes a primary of a replica",
  body: PromoteConfig,
  limit: SPEC_LIMIT,
  rejections: "text",
  failures: [400, 500]
})

export const prewarmState = endpoint("lfc_prewarm_state", {
  method: "GET",
  path: "/lfc/prewarm",
  summary: "What became of the last prewarm of the local file cache"
})

export const prewarm = endpoint("lfc_prewarm", {
  method: "POST",
  path: "/lfc/prewarm",
  summary: "Fills the local file cache in the background",
  query: Query.optionalQuery({ from_endpoint: Query.text }),
  rejections: "text",
  success: { 202: "" },
  failures: [429]
})

export const prewarmCancel = endpoint("lfc_prewarm_cancel", {
  method: "DELETE",
  path: "/lfc/prewarm",
  summary: "Cancels the running prewarm",
  success: { 202: "" }
})

export const offloadState = endpoint("lfc_offload_state", {
  method: "GET",
  path: "/lfc/offload",
  summary: "What became of the last offload of the local file cache"
})

export const offload = endpoint("lfc_offload", {
  method: "POST",
  path: "/lfc/offload",
  summary: "Stores which pages the local file cache has, in the background",
  success: { 202: "" },
  failures: [429]
})
