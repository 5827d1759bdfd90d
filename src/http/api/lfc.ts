/**
 * The local file cache: filling it, and storing which pages it has.
 */

import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { OffloadState, PrewarmState } from "../../domain/status/Operations.ts"
import { Authorized, Inputs } from "./middleware.ts"
import { BadRequest, OfQuery, UnderWay } from "./shapes/Refusal.ts"
import { OneOf, Wording } from "./traits.ts"

const prewarmState = HttpApiEndpoint.get("lfc_prewarm_state", "/lfc/prewarm", { success: PrewarmState }).annotate(
  OpenApi.Summary,
  "What became of the last prewarm of the local file cache"
)

const prewarm = HttpApiEndpoint.post("lfc_prewarm", "/lfc/prewarm", {
  query: { from_endpoint: Schema.optionalKey(Schema.String) },
  success: HttpApiSchema.Accepted,
  error: [OfQuery, BadRequest, UnderWay]
})
  .middleware(Inputs)
  .annotate(OneOf, ["from_endpoint"])
  .annotate(Wording, "text")
  .annotate(OpenApi.Summary, "Fills the local file cache in the background")

const prewarmCancel = HttpApiEndpoint.delete("lfc_prewarm_cancel", "/lfc/prewarm", {
  success: HttpApiSchema.Accepted
}).annotate(OpenApi.Summary, "Cancels the running prewarm")

const offloadState = HttpApiEndpoint.get("lfc_offload_state", "/lfc/offload", { success: OffloadState }).annotate(
  OpenApi.Summary,
  "What became of the last offload of the local file cache"
)

const offload = HttpApiEndpoint.post("lfc_offload", "/lfc/offload", {
  success: HttpApiSchema.Accepted,
  error: UnderWay
}).annotate(OpenApi.Summary, "Stores which pages the local file cache has, in the background")

export class Lfc extends HttpApiGroup.make("lfc", { topLevel: true })
  .add(prewarmState, prewarm, prewarmCancel, offloadState, offload)
  .middleware(Authorized)
  .annotate(OpenApi.Description, "The local file cache, port 3080") {}
