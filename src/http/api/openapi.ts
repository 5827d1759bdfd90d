/**
 * The OpenAPI 3.1 document of both APIs.
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import { External, Internal } from "./Api.ts"
import { errors, refusals, successes } from "./examples.ts"

/** Numbers and booleans of a query are texts to the library. */
const ofQuery = (schema: object): object => {
  if ("pattern" in schema) return { type: "integer", minimum: 0 }
  return "enum" in schema && Array.isArray(schema.enum) && schema.enum.includes("true") ? { type: "boolean" } : schema
}

/** The server ignores members that it does not know, and clients have to. */
const isTidy = (key: string, value: unknown): boolean =>
  !(key === "additionalProperties" && value === false) && key !== "x-effect-stream"

/** Names of what is a number and nothing else: `u64Encoded`. */
const NUMBERS = /(?<=[/"])(?:(a)_)?(number|usize|[iu]\d+)Encoded(?=")/g

const tidied = (spec: OpenApi.OpenAPISpec): OpenApi.OpenAPISpec =>
  JSON.parse(JSON.stringify(spec).replace(NUMBERS, "$2"), (key, value) => (isTidy(key, value) ? value : undefined))

const exampleOf = (name: string, status: number, type: string): unknown => {
  if (status < 300) return successes[name]
  const own = refusals[`${name} ${status}`]
  const isText = type.startsWith("text/")
  if (own !== undefined && (typeof own === "string") === isText) return own
  return isText ? errors[status] : { error: errors[status] }
}

const completed = (operation: OpenApi.OpenAPISpecOperation): object => {
  for (const [status, { content = {} }] of Object.entries(operation.responses)) {
    for (const [type, media] of Object.entries(content)) {
      Object.assign(media, { example: exampleOf(operation.operationId, Number(status), type) })
    }
  }
  return {
    ...operation,
    ...(operation.tags.includes("internal") && { servers: [{ url: "http://localhost:3081" }] }),
    parameters: operation.parameters.map((parameter) => ({ ...parameter, schema: ofQuery(parameter.schema) }))
  }
}

export const document = (version: string): object => {
  const api = HttpApi.make("compute_ctl")
    .addHttpApi(External)
    .addHttpApi(Internal)
    .annotateMerge(
      OpenApi.annotations({
        title: "compute_ctl",
        version,
        description: "Two servers: the control plane's with tokens, and one for the processes of the compute itself",
        servers: [{ url: "http://localhost:3080" }]
      })
    )
  const { paths, ...spec } = tidied(OpenApi.fromApi(api))
  return {
    ...spec,
    paths: Object.fromEntries(
      Object.entries(paths).map(([path, { parameters: _, ...operations }]) => [
        path,
        Object.fromEntries(
          Object.entries(operations).map(([method, operation]) => [
            method,
            "operationId" in operation ? completed(operation) : operation
          ])
        )
      ])
    )
  }
}
