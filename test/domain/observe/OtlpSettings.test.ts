import { assert, describe, it } from "@effect/vitest"
import { type Environment, parseOtlpSettings } from "../../../src/domain/observe/OtlpSettings.ts"
import { parseTraceParent } from "../../../src/domain/observe/TraceContext.ts"

const parse = (env: Environment) => parseOtlpSettings(env, { id: "compute-1", version: "release-7" })

const ENDPOINT = "http://collector:4318"

describe("OtlpSettings", () => {
  for (const env of [
    { OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, OTEL_SDK_DISABLED: "true" },
    { OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT, OTEL_TRACES_EXPORTER: "none" }
  ]) {
    it(`are off with ${JSON.stringify(env)}`, () => assert.isNull(parse(env)))
  }

  it("lead to this machine where nobody names another, or one that is none", () => {
    const local = { url: "http://localhost:4318/v1/traces", named: false }
    assert.deepInclude(parse({}), { ...local, warnings: [] })
    assert.deepInclude(parse({ OTEL_EXPORTER_OTLP_ENDPOINT: "" }), { ...local, warnings: [] })
    assert.deepInclude(parse({ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" }), {
      ...local,
      warnings: [`OTEL_EXPORTER_OTLP_ENDPOINT is not an HTTP URL: using ${local.url}`]
    })
  })

  it("have the defaults of the specification", () => {
    assert.deepStrictEqual(parse({ OTEL_EXPORTER_OTLP_ENDPOINT: `${ENDPOINT}/`, OTEL_SDK_DISABLED: "1" }), {
      url: `${ENDPOINT}/v1/traces`,
      named: true,
      protocol: "protobuf",
      headers: {},
      gzip: false,
      timeout: 10_000,
      delay: 5000,
      maxQueue: 2048,
      maxBatch: 512,
      sampler: { parent: true, ratio: 1 },
      resource: {
        "service.name": "compute_ctl",
        "service.version": "release-7",
        "service.instance.id": "compute-1"
      },
      warnings: []
    })
  })

  it("prefer what is meant for traces", () => {
    const settings = parse({
      OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://other/path",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_HEADERS: "a=1, b=two%20words",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "a=2,broken",
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0.25",
      OTEL_RESOURCE_ATTRIBUTES: "region=x,service.name=ignored,service.instance.id=other",
      OTEL_SERVICE_NAME: "mine"
    })
    assert.strictEqual(settings?.url, "https://other/path")
    assert.strictEqual(settings?.protocol, "json")
    assert.deepStrictEqual(settings?.headers, { a: "2", b: "two words" })
    assert.isTrue(settings?.gzip)
    assert.deepStrictEqual(settings?.sampler, { parent: true, ratio: 0.25 })
    assert.deepStrictEqual(settings?.resource, {
      region: "x",
      "service.name": "mine",
      "service.version": "release-7",
      "service.instance.id": "other"
    })
  })

  it("say what they do not understand", () => {
    const settings = parse({
      OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT,
      OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
      OTEL_TRACES_SAMPLER: "jaeger_remote",
      OTEL_BSP_SCHEDULE_DELAY: "-5"
    })
    assert.lengthOf(settings?.warnings ?? [], 2)
    assert.strictEqual(settings?.delay, 5000)
  })
})

describe("TraceContext", () => {
  const trace = "0af7651916cd43dd8448eb211c80319c"
  it("is read", () => {
    const parent = { traceId: trace, spanId: "b7ad6b7169203331" }
    assert.deepStrictEqual(parseTraceParent(`00-${trace}-b7ad6b7169203331-01`), { ...parent, sampled: true })
    assert.deepStrictEqual(parseTraceParent(`00-${trace}-b7ad6b7169203331-02`), { ...parent, sampled: false })
  })
  for (const bad of [
    undefined,
    "",
    `00-${trace}-b7ad6b7169203331`,
    `ff-${trace}-b7ad6b7169203331-01`,
    `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    `00-${trace}-${"0".repeat(16)}-01`,
    `00-${trace.toUpperCase()}-b7ad6b7169203331-01`
  ]) {
    it(`is not ${bad}`, () => assert.isNull(parseTraceParent(bad)))
  }
})
