/**
 * Requests that the OpenAPI document leads to: sound ones, and such as a confused client would send.
 */
import * as fc from "fast-check"
import * as Tokens from "../../src/emulator/peers/Tokens.ts"
import { adminToken, makeKeys, sign } from "../rig/tokens.ts"
import { type Described, operations, type Parameter } from "./openapi.ts"
import { invalid, valid } from "./values.ts"

export interface Sent {
  readonly described: Described
  readonly server: "external" | "internal"
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

/** As the rig calls its computes. */
const COMPUTE_ID = "compute-rig"

const stranger = makeKeys()

/** A token that is taken counts for more: what is behind it is what there is to be tried. */
const authorizations = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(adminToken(), sign({ compute_id: COMPUTE_ID })) },
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constant(sign({ compute_id: "another" })) },
  { weight: 1, arbitrary: fc.constant(Tokens.issue(stranger.privateKey, { compute_id: COMPUTE_ID })) },
  { weight: 1, arbitrary: fc.string({ maxLength: 30 }).map((text) => text.replaceAll(/[^ -~]/g, "?")) }
)

/** So long ago was no request: a compute that is asked to end if it is idle stays. */
const NEVER_IDLE = 1_000_000_000

const parameterValue = ({ name, schema }: Parameter): fc.Arbitrary<unknown> =>
  name === "if_idle" ? fc.integer({ min: NEVER_IDLE }) : fc.oneof({ weight: 3, arbitrary: valid(schema) }, fc.string())

const queryOf = ({ operation }: Described): fc.Arbitrary<string> => {
  const parameters = operation.parameters.filter((parameter) => parameter.in === "query")
  const wanted = parameters.map((parameter) =>
    fc.tuple(
      // Nobody is to be asked to end without a condition.
      parameter.name === "if_idle" ? fc.constant(true) : fc.boolean(),
      parameterValue(parameter).map((value) => `${parameter.name}=${encodeURIComponent(String(value).toWellFormed())}`)
    )
  )
  const unknown = fc.oneof({ weight: 6, arbitrary: fc.constant([]) }, fc.constant(["made_up=1"]))
  return fc.tuple(fc.tuple(...wanted), unknown).map(([pairs, more]) => {
    const all = [...pairs.flatMap(([isThere, pair]) => (isThere ? [pair] : [])), ...more]
    return all.length === 0 ? "" : `?${all.join("&")}`
  })
}

const pathOf = ({ operation, path }: Described): fc.Arbitrary<string> => {
  const names = operation.parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name)
  return fc
    .tuple(...names.map(() => fc.string({ minLength: 1, maxLength: 20 })))
    .map((values) =>
      names.reduce((all, name, index) => all.replace(`{${name}}`, encodeURIComponent(values[index] ?? "x")), path)
    )
}

/** `sound` are bodies of which the operation makes something, by its name. */
const bodyOf = (
  { operation }: Described,
  sound: Readonly<Record<string, fc.Arbitrary<unknown>>>
): fc.Arbitrary<string | null> => {
  const schema = operation.requestBody?.content["application/json"]?.schema
  if (schema === undefined) {
    return fc.oneof({ weight: 6, arbitrary: fc.constant(null) }, fc.string())
  }
  const json = (value: unknown) => JSON.stringify(value) ?? ""
  const best = sound[operation.operationId]
  return fc.oneof(
    { weight: 3, arbitrary: valid(schema).map(json) },
    { weight: 3, arbitrary: invalid(schema).map(json) },
    { weight: 1, arbitrary: fc.jsonValue().map(json) },
    { weight: 1, arbitrary: fc.string() },
    ...(best === undefined ? [] : [{ weight: 3, arbitrary: best.map(json) }])
  )
}

const types = fc.oneof({ weight: 12, arbitrary: fc.constant("application/json") }, fc.constantFrom("text/plain", ""))

/** Seldom asked: a look at the use of a compute takes its time, and between two refreshes are seconds. */
const WEIGHTS: Readonly<Record<string, number>> = { terminate: 4, refresh_configuration: 1, refresh: 1 }
const USUAL = 20

const request = (described: Described, sound: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<Sent> =>
  fc
    .tuple(pathOf(described), queryOf(described), authorizations, bodyOf(described, sound), types)
    .map(([path, query, token, body, type]) => ({
      described,
      server: described.operation.tags.includes("internal") ? "internal" : "external",
      path: `${path}${query}`,
      headers: {
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(body !== null && type !== "" && { "content-type": type })
      },
      body
    }))

export const requests = (sound: Readonly<Record<string, fc.Arbitrary<unknown>>> = {}): fc.Arbitrary<Sent> =>
  fc.oneof(
    ...operations.map((described) => ({
      weight: WEIGHTS[described.operation.operationId] ?? USUAL,
      arbitrary: request(described, sound)
    }))
  )
