/**
 * The OpenAPI 3.1 document of both APIs, told apart by tags.
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import { External, Internal } from "./Api.ts"

export const document = (version: string): OpenApi.OpenAPISpec =>
  OpenApi.fromApi(
    HttpApi.make("compute_ctl")
      .addHttpApi(External)
      .addHttpApi(Internal)
      .annotateMerge(OpenApi.annotations({ title: "compute_ctl", version }))
  )
