/**
 * The OpenAPI document: valid, complete, and true to what is recorded.
 */
import { assert, describe, it } from "@effect/vitest"
import { Validator } from "@seriousme/openapi-schema-validator"
import { External, Internal } from "../../src/http/api/Api.ts"
import { endpointsOf } from "../../src/http/server/table.ts"
import { faults, made, operations, text } from "../contract/openapi.ts"
import * as rig from "./rig.ts"

describe("the OpenAPI document", () => {
  it("is valid", async () => {
    const { errors, valid } = await new Validator().validate(JSON.parse(text))
    assert.isTrue(valid, JSON.stringify(errors))
  })

  it("has every endpoint, each with its server", () => {
    assert.sameMembers(
      operations.map(({ method, operation, path }) => `${method} ${path} ${operation.servers?.[0]?.url ?? ""}`),
      [
        ...endpointsOf(External).map(({ method, path }) => `${method} ${path} `),
        ...endpointsOf(Internal).map(
          ({ method, path }) => `${method} ${path.replace(/:(\w+)/, "{$1}")} http://localhost:3081`
        )
      ]
    )
  })

  it("leaves no schema open, and closes none that the server does not close", () => {
    assert.notMatch(text, /"schema":\{\}|"items":\{\}|Encoded"|"additionalProperties":false|Redacted|x-effect/)
    for (const [name, schema] of Object.entries(made.components.schemas)) assert.notDeepEqual(schema, {}, name)
    const mode = JSON.stringify(made.components.schemas["ComputeSpec"])
    assert.include(mode, '"Static"')
  })

  it("has an example of every answer, of its own schema", () => {
    for (const { operation } of operations) {
      for (const [status, { content = {} }] of Object.entries(operation.responses)) {
        for (const [type, { example, schema }] of Object.entries(content)) {
          const place = `${operation.operationId} ${status} ${type}`
          assert.isDefined(example, place)
          assert.strictEqual(faults(schema, example), "", place)
        }
      }
    }
  })

  it("has the body of a configuration", () => {
    const { requestBody } = operations.find(({ operation }) => operation.operationId === "configure")?.operation ?? {}
    const schema = requestBody?.content["application/json"]?.schema ?? {}
    assert.strictEqual(faults(schema, rig.configuration({ mode: { Static: "0/1" }, made_up: 1 })), "")
    assert.notStrictEqual(faults(schema, rig.configuration({ mode: "Secondary" })), "")
    assert.notStrictEqual(faults(schema, rig.configuration({ suspend_timeout_seconds: "0" })), "")
    assert.include(faults(schema, { spec: rig.spec }), "compute_ctl_config")
  })

  /** Numbers of the recorded texts stand there as `N`. */
  const parsed = (body: string) => JSON.parse(body.replaceAll(/:N(?=[,}])/g, ":1"))

  for (const name of ["auth", "bodies", "running", "empty"]) {
    it(`knows the recorded answers: ${name}`, () => {
      for (const { request, response } of rig.recorded(name)) {
        const [path = ""] = request.path.split("?", 1)
        const title = `${request.method} ${request.path} ${response.status}`
        const found = operations.find(
          (one) => one.method === request.method && one.path.replace("{filename}", "anon") === path
        )
        const answer = found?.operation.responses[response.status]
        assert.isDefined(answer, title)
        const type = response["content-type"]
        if (type === null) {
          assert.isUndefined(answer?.content, title)
          continue
        }
        const media = answer?.content?.[type]
        assert.isDefined(media, `${title} ${type}`)
        if (typeof response.body !== "string") continue
        const body = type === "application/json" ? parsed(response.body) : response.body
        assert.strictEqual(faults(media?.schema ?? {}, body), "", title)
      }
    })
  }
})
