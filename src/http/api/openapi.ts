/**
 * The OpenAPI 3.1 document of a list of endpoints.
 */
import * as Schema from "effect/Schema"
import type { Described } from "./Endpoint.ts"

const REASONS: Readonly<Record<number, string>> = {
  400: "The request, or the spec in it, is not valid",
  401: "The token was not signed with a key of this compute",
  403: "The token is for another compute",
  404: "There is no such thing",
  408: "The body took too long",
  409: "Something else has to happen first",
  412: "The compute's status does not allow it",
  413: "The body is too large",
  415: "The body is not announced as JSON",
  422: "The body is JSON of another shape",
  429: "It is being done already",
  500: "It failed",
  503: "Not now"
}

const failuresOf = ({ auth, body, failures, query }: Described): ReadonlyArray<number> =>
  [
    ...new Set([
      ...failures,
      ...(auth ? [400, 401, 403] : []),
      ...(query === undefined ? [] : [400]),
      ...(body === undefined ? [] : [400, 408, 413, 415, 422])
    ])
  ].sort((a, b) => a - b)

const content = (type: string, schema: object = {}) => (type === "" ? {} : { content: { [type]: { schema } } })

const parameters = ({ path, query }: Described) => [
  ...[...path.matchAll(/\{\*?([^{}]+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" }
  })),
  ...Object.entries(query?.params ?? {}).map(([name, param]) => ({
    name,
    in: "query",
    required: param.absent === undefined,
    schema: param.schema
  }))
]

const ERROR = {
  type: "object",
  required: ["error"],
  properties: { error: { type: "string" } }
}

const operation = (endpoint: Described) => ({
  operationId: endpoint.name,
  summary: endpoint.summary,
  tags: [endpoint.server],
  security: endpoint.auth ? [{ token: [] }] : [],
  parameters: parameters(endpoint),
  ...(endpoint.body !== undefined && {
    requestBody: { required: true, ...content("application/json", { $ref: `#/components/schemas/${endpoint.name}` }) }
  }),
  responses: Object.fromEntries([
    ...Object.entries(endpoint.success).map(([status, type]) => [status, { description: "Done", ...content(type) }]),
    ...failuresOf(endpoint).map((status) => [
      status,
      {
        description: REASONS[status] ?? "Refused",
        ...content("application/json", { $ref: "#/components/schemas/Error" })
      }
    ])
  ])
})

/** References inside a body's schema point at its own definitions. */
const bodySchemas = (endpoints: ReadonlyArray<Described>) =>
  endpoints.flatMap(({ body, name }) => {
    if (body === undefined) return []
    const { definitions, schema } = Schema.toJsonSchemaDocument(Schema.toEncoded(body))
    return [[name, schema], ...Object.entries(definitions)]
  })

/** Both servers are in one document and told apart by tags. */
export const document = (endpoints: ReadonlyArray<Described>, version: string) => {
  const paths: Record<string, Record<string, object>> = {}
  for (const endpoint of endpoints) {
    const path = endpoint.path.replace("{*", "{")
    paths[path] = { ...paths[path], [endpoint.method.toLowerCase()]: operation(endpoint) }
  }
  return {
    openapi: "3.1.0",
    info: { title: "compute_ctl", version },
    tags: [
      { name: "external", description: "For the control plane and for scrapers, port 3080" },
      { name: "internal", description: "For processes of the compute, port 3081, loopback only" }
    ],
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
      schemas: Object.fromEntries([["Error", ERROR], ...bodySchemas(endpoints)])
    },
    paths
  }
}
