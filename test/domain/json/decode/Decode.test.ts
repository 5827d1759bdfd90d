import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { allFaults, decodeJson, decodeSteps } from "../../../../src/domain/json/decode/Decode.ts"
import { ComputeConfig, ConfigurationRequest, PromoteConfig } from "../../../../src/domain/spec/ComputeConfig.ts"
import { ComputeSpec } from "../../../../src/domain/spec/ComputeSpec.ts"
import { growth } from "../../../rig/proportion.ts"

const minimal = { format_version: 1, suspend_timeout_seconds: -1, cluster: { roles: [], databases: [] } }
const failure = <A, E>(result: Result.Result<A, E>) => Result.getOrThrow(Result.flip(result))
const reject = (text: string) => failure(decodeJson(ConfigurationRequest, text))
const rejectSpec = (spec: object) => failure(decodeJson(ComputeSpec, JSON.stringify({ ...minimal, ...spec })))

describe("Decode", () => {
  it("decides by the first fault in reading order", () => {
    assert.strictEqual(reject('{"spec":{}').kind, "shape")
    assert.match(reject('{"spec":{}').message, /^spec: missing field `cluster` at line 1 column \d+$/)
    assert.strictEqual(reject('{"spec":').kind, "syntax")
    assert.strictEqual(reject("").kind, "syntax")
    assert.match(reject('{"spec":{"mode":7,').message, /^spec.mode: invalid type: integer, expected string or map/)
    assert.strictEqual(reject('{"spec":{"mode":{"Static":').kind, "syntax")
    assert.match(reject('{"spec":{"tenant_id":{').message, /^spec.tenant_id: invalid type: map, expected a string/)
    assert.strictEqual(reject('{"compute_ctl_config":{"jwks":{}},"spec":null}').path, "compute_ctl_config.jwks")
    // The wrong member stands before the end of the object that lacks another one.
    assert.strictEqual(reject('{"spec":{"features":null}}').path, "spec.features")
  })

  it("ignores what follows the value unless asked not to", () => {
    const text = `${JSON.stringify(minimal)} trailing`
    assert.isTrue(Result.isSuccess(decodeJson(ComputeSpec, text)))
    const refused = failure(decodeJson(ComputeSpec, text, { trailing: "refuse" }))
    assert.strictEqual(refused.kind, "syntax")
    assert.include(refused.message, "trailing characters at line 1")
  })

  it("refuses a NUL in any text, known or not, with its path", () => {
    const nul = "a\0b"
    for (const [spec, path] of [
      [{ project_id: nul }, "project_id"],
      [{ unknown: [{ x: nul }] }, "unknown[0].x"],
      [{ cluster: { roles: [{ name: nul }], databases: [] } }, "cluster.roles[0].name"],
      [
        { cluster: { roles: [], databases: [], settings: [{ name: "a", value: nul, vartype: "string" }] } },
        "cluster.settings[0].value"
      ],
      [
        { cluster: { roles: [{ name: "r", encrypted_password: nul }], databases: [] } },
        "cluster.roles[0].encrypted_password"
      ],
      [{ storage_auth_token: nul }, "storage_auth_token"],
      [{ safekeeper_connstrings: ["a:1", nul] }, "safekeeper_connstrings[1]"],
      [{ mode: { Static: nul } }, "mode.Static"],
      [{ features: [nul] }, "features[0]"]
    ] as const) {
      const { kind, path: found, message } = rejectSpec(spec)
      assert.deepStrictEqual([kind, found], ["shape", path])
      assert.match(message, /: the text contains a NUL character at line 1 column \d+$/)
    }
    assert.match(
      rejectSpec({ pgbouncer_settings: { [nul]: "1" } }).message,
      /^pgbouncer_settings: the name of a member contains a NUL character/
    )
    assert.isBelow(allFaults(ComputeSpec, JSON.stringify(Array.from({ length: 200 }, () => nul))).length, 110)
    const escaped = JSON.stringify({ ...minimal, project_id: "\\u0000" })
    assert.strictEqual(Result.getOrThrow(decodeJson(ComputeSpec, escaped)).project_id, "\\u0000")
  })

  it("names the member and the reason", () => {
    assert.include(
      rejectSpec({ suspend_timeout_seconds: undefined }).message,
      "missing field `suspend_timeout_seconds`"
    )
    assert.match(
      rejectSpec({ mode: "primary" }).message,
      /^mode: unknown variant `primary`, expected one of `Primary`, `Static`, `Replica`/
    )
    assert.match(
      rejectSpec({ audit_log_level: "Most" }).message,
      /^audit_log_level: unknown variant `Most`, expected one of `Disabled`, `Log`, `Base`, `Hipaa`, `Extended`, `Full`/
    )
    assert.match(rejectSpec({ features: null }).message, /^features: invalid type: null, expected a sequence/)
    assert.match(
      rejectSpec({ pgbouncer_settings: { a: 1 } }).message,
      /^pgbouncer_settings.a: invalid type: integer, expected a string/
    )
    assert.match(
      rejectSpec({ offload_lfc_interval_seconds: 0 }).message,
      /^offload_lfc_interval_seconds: .*nonzero u64/
    )
    assert.match(rejectSpec({ tenant_id: "" }).message, /^tenant_id: Invalid string length/)
    assert.match(
      rejectSpec({ shard_stripe_size: 2 ** 32 }).message,
      /^shard_stripe_size: invalid value: integer `4294967296`, expected u32/
    )
    assert.match(rejectSpec({ mode: { Static: "0/1/2" } }).message, /^mode.Static: LsnParseError/)
    assert.match(
      rejectSpec({ cluster: { roles: [{}], databases: [] } }).message,
      /^cluster.roles\[0\]: missing field `name`/
    )
    assert.match(
      rejectSpec({ pageserver_connection_info: { shard_count: 0, shards: {}, prefer_protocol: "http" } }).message,
      /^pageserver_connection_info.prefer_protocol: unknown variant `http`, expected `libpq` or `grpc`/
    )
    assert.match(
      rejectSpec({ pageserver_connection_info: { shard_count: 256, shards: {} } }).message,
      /^pageserver_connection_info.shard_count: invalid value: integer `256`, expected u8/
    )
    for (const key of ["000", "00g0", "00000"]) {
      const shards = { [key]: { pageservers: [] } }
      assert.match(
        rejectSpec({ pageserver_connection_info: { shard_count: 0, shards } }).message,
        new RegExp(`^pageserver_connection_info.shards: invalid shard index \`${key}\`, expected 4 hex digits`)
      )
    }
  })

  it("takes a number that was written with a fraction for no object", () => {
    for (const number of ["1.0", "1e300", "1.5"]) {
      const refused = failure(decodeJson(ComputeConfig, `{"compute_ctl_config":${number}}`))
      assert.strictEqual(refused.path, "compute_ctl_config")
      assert.include(refused.message, "invalid type: floating point, expected an object")
    }
  })

  it("refuses whole floats where an integer is asked for, and takes any number as format version", () => {
    const text = (member: string) => `{"cluster":{"roles":[],"databases":[]},${member}}`
    assert.isTrue(Result.isSuccess(decodeJson(ComputeSpec, text('"format_version":1.0,"suspend_timeout_seconds":1'))))
    assert.include(
      failure(decodeJson(ComputeSpec, text('"suspend_timeout_seconds":1.0'))).message,
      "invalid type: floating point, expected i64"
    )
  })

  it("refuses a member given twice, but not a key of a free map or an unknown member", () => {
    const text = (members: string) => `{"cluster":{"roles":[],"databases":[]},"suspend_timeout_seconds":1,${members}}`
    const member = failure(decodeJson(ComputeSpec, text('"mode":"Primary","mode":"Primary"')))
    assert.strictEqual(member.kind, "shape")
    assert.include(member.message, "duplicate field `mode` at line 1")
    const inner = failure(
      decodeJson(
        ComputeSpec,
        text('"databricks_settings":null,"delta_operations":[{"name":"a","action":"x","name":"b"}]')
      )
    )
    assert.strictEqual(inner.path, "delta_operations[0]")
    assert.include(inner.message, "duplicate field `name`")
    const free = decodeJson(ComputeSpec, text('"pgbouncer_settings":{"a":"1","a":"2"},"new":1,"new":{"x":1,"x":1}'))
    assert.deepStrictEqual(Result.getOrThrow(free).pgbouncer_settings, { a: "2" })
  })

  it("never shows a secret or a long value", () => {
    const secret = "SCRAM-SHA-256$4096:verySecret"
    for (const spec of [
      { storage_auth_token: [secret] },
      { cluster: { roles: [{ name: "a", encrypted_password: { a: secret } }], databases: [] } },
      { storage_auth_token: 77001122 },
      { tenant_id: secret },
      { mode: { Static: secret } },
      { mode: "x".repeat(100_000) }
    ]) {
      const { message } = rejectSpec(spec)
      assert.notInclude(message, "verySecret")
      assert.notInclude(message, "77001122")
      assert.isBelow(message.length, 300)
    }
    const good = Result.getOrThrow(decodeJson(ComputeSpec, JSON.stringify({ ...minimal, storage_auth_token: secret })))
    assert.notInclude(
      JSON.stringify(good, (_, value) => (typeof value === "bigint" ? String(value) : value)),
      "verySecret"
    )
  })

  it("lists every fault in reading order", () => {
    const text = JSON.stringify({
      spec: { ...minimal, tenant_id: "zz", mode: 1, cluster: { databases: [{ name: 1 }] } }
    })
    assert.deepStrictEqual(
      allFaults(ComputeConfig, text).map((fault) => fault.message.replace(/ at line.*/, "")),
      [
        "spec.cluster.databases[0].name: invalid type: integer, expected a string",
        "spec.cluster.databases[0]: missing field `owner`",
        "spec.cluster: missing field `roles`",
        "spec.tenant_id: Invalid string length",
        "spec.mode: invalid type: integer, expected string or map",
        "missing field `compute_ctl_config`"
      ]
    )
    assert.deepStrictEqual(allFaults(ComputeSpec, JSON.stringify(minimal)), [])
  })

  it("rejects bodies as recorded", () => {
    interface Sent {
      readonly request: { path: string; body?: unknown; only?: ReadonlyArray<string>; headers?: Record<string, string> }
      readonly response: { readonly status: number }
    }
    const file = path.join(import.meta.dirname, "../../../golden/http/bodies.json")
    const sent: ReadonlyArray<Sent> = JSON.parse(fs.readFileSync(file, "utf8"))
    let checked = 0
    for (const { request, response } of sent) {
      if (request.body === undefined || ![400, 422].includes(response.status)) continue
      const text = typeof request.body === "string" ? request.body : JSON.stringify(request.body)
      const decoded =
        request.path === "/promote"
          ? Result.map(decodeJson(PromoteConfig, text), () => true)
          : Result.map(decodeJson(ConfigurationRequest, text), () => true)
      if (Result.isSuccess(decoded)) {
        assert.strictEqual(response.status, 400)
        continue
      }
      checked++
      const status = decoded.failure.kind === "syntax" ? 400 : 422
      const prefix =
        status === 400
          ? "Failed to parse the request body as JSON: "
          : "Failed to deserialize the JSON body into the target type: "
      const error = prefix + decoded.failure.message
      assert.strictEqual(status, response.status)
      for (const needle of request.only ?? []) {
        assert.include(request.path === "/promote" ? error : error.toLowerCase(), needle)
      }
    }
    assert.isAbove(checked, 4)
  })

  it("decodes a large document as a small one, in steps", () => {
    const option = (name: string) => ({ name, value: "1", vartype: "integer" })
    const many = (count: number) => ({
      ...minimal,
      safekeeper_connstrings: Array.from({ length: count }, (_, index) => `sk-${index}:1`),
      cluster: {
        roles: Array.from({ length: count }, (_, index) => ({
          name: `role_${index}`,
          // One of them is large by itself.
          options: index === 3 ? Array.from({ length: count }, (_, at) => option(`o${at}`)) : null
        })),
        databases: [],
        settings: [option("max_connections")],
        unknown: Array.from({ length: count }, (_, index) => index)
      },
      remote_extensions: {
        library_index: Object.fromEntries(Array.from({ length: count }, (_, index) => [`l${index}`, `e${index}`])),
        extension_data: Object.fromEntries(
          Array.from({ length: count }, (_, index) => [`e${index}`, { control_data: { a: "b" } }])
        )
      }
    })
    for (const count of [3, 2000]) {
      const document = { spec: many(count), compute_ctl_config: { jwks: { keys: [] } } }
      const steps = decodeSteps(ConfigurationRequest, JSON.stringify(document))
      let pauses = 0
      let next = steps.next()
      for (; next.done !== true; next = steps.next()) pauses += 1
      assert.deepStrictEqual(Result.getOrThrow(next.value), Schema.decodeUnknownSync(ConfigurationRequest)(document))
      if (count > 1000) assert.isAbove(pauses, 30)
    }
  })

  it("finds the first fault of a large document without looking for the others", () => {
    const wrong = (count: number) => `{"cluster":{"databases":[],"roles":[${"1,".repeat(count)}1]}}`
    assert.strictEqual(failure(decodeJson(ComputeSpec, wrong(1_000_000))).path, "cluster.roles[0]")
    assert.isBelow(
      growth((text) => decodeJson(ComputeSpec, text), wrong(30_000), wrong(300_000)),
      40
    )
    assert.isAtMost(allFaults(ComputeSpec, wrong(100_000)).length, 100)
  })

  it("decides by reading order among members that came twice, wrong ones and the end of the text", () => {
    const path = (text: string) => Result.getOrThrow(Result.flip(decodeJson(ComputeSpec, text))).message
    assert.match(path('{"mode":"Primary","features":7,"mode":1}'), /^features: invalid type/)
    assert.match(path('{"mode":1,"mode":"Primary","features":7}'), /^duplicate field `mode`/)
    assert.match(path('{"mode":"Primary","mode":"Primary","features":['), /^duplicate field `mode`/)
    assert.match(
      path(`{"x":[${"1,".repeat(2000)}1],"cluster":{"roles":[${"1,".repeat(2000)}`),
      /^cluster.roles\[0\]: invalid type/
    )
    assert.match(path(`{"cluster":{"roles":[],"databases":[${'{"name":"a","owner":"b"},'.repeat(2000)}`), /^EOF/)
  })

  it("repeats little of what it was given", () => {
    const long = "k".repeat(5000)
    const options = (name: string) => ({ roles: [{ name: "a", options: [{ name, value: 1, vartype: "x" }] }] })
    const texts = [
      `{"mode":"${long}"}`,
      `{"mode":{"${long}":1}}`,
      `{"audit_log_level":"${long}"}`,
      `{"pgbouncer_settings":{"${long}":1}}`,
      `{"remote_extensions":{"library_index":{},"extension_data":{"${long}":{"control_data":{"${long}":1}}}}}`,
      `{"pageserver_connection_info":{"shard_count":0,"shards":{"${long}":{"pageservers":[]}}}}`,
      `{"shard_stripe_size":${"7".repeat(1000)}}`,
      `{"tenant_id":"${long}"}`,
      `{"mode":{"Static":"${long}"}}`,
      `{"swap_size_bytes":-${"7".repeat(1000)}}`,
      JSON.stringify({ cluster: options(long) }),
      `{"${long}":1,"${long}":1,"mode":1}`,
      `"${long}"`
    ]
    for (const text of texts) {
      const { message } = Result.getOrThrow(Result.flip(decodeJson(ComputeSpec, text)))
      assert.isBelow(message.match(/[k7]+/g)?.join("").length ?? 0, 200, text.slice(0, 60))
      assert.isBelow(message.length, 400, text.slice(0, 60))
    }
  })

  it("reads a spec of five megabytes in time proportional to its size", () => {
    const specOf = (count: number) => {
      const roles = Array.from({ length: count }, (_, index) => ({
        name: `role_${index}`,
        encrypted_password: `SCRAM-SHA-256$4096:${"x".repeat(90)}${index}`,
        options: [{ name: "CONNECTION LIMIT", value: "5", vartype: "integer" }]
      }))
      return JSON.stringify({ ...minimal, cluster: { roles, databases: [] } })
    }
    const text = specOf(30_000)
    assert.isAbove(text.length, 5_000_000)
    assert.isTrue(Result.isSuccess(decodeJson(ComputeSpec, text)))
    // Ten times the spec: about ten times the time, and a hundred times if anything were quadratic.
    assert.isBelow(
      growth((given) => decodeJson(ComputeSpec, given), specOf(3_000), text),
      40
    )
    const broken = text.replace('"role_29000"', "7")
    assert.strictEqual(failure(decodeJson(ComputeSpec, broken)).path, "cluster.roles[29000].name")
  })
})
