/**
 * Pages for people. They hold nothing of the compute, so they need no token; what they show they ask the API for.
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { Failed } from "./shapes/Refusal.ts"

const page = HttpApiEndpoint.get("console", "/console", {
  success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/html; charset=utf-8" })),
  error: Failed
}).annotate(OpenApi.Summary, "A page to look at the compute and to act on it")

export class Pages extends HttpApiGroup.make("pages", { topLevel: true })
  .add(page)
  .annotate(OpenApi.Description, "Pages for people, without a token, port 3080") {}
