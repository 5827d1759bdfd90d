import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { decodeJson } from "../../../src/domain/json/decode/Decode.ts"
import { portOf } from "../../../src/domain/postgres/ConnectionString.ts"
import { ComputeConfig } from "../../../src/domain/spec/ComputeConfig.ts"
import { ComputeSpec, installedExtensionsInterval, modeName } from "../../../src/domain/spec/ComputeSpec.ts"
import { formatShardIndex, formatTenantShardId, parseShardIndex, TenantId } from "../../../src/domain/spec/Ids.ts"
import * as Lsn from "../../../src/domain/spec/Lsn.ts"
import {
  equivalence,
  fromConnstring,
  PageserverConnectionInfo,
  shardUrl
} from "../../../src/domain/spec/PageserverConnectionInfo.ts"
import { effectiveTls, parseSpec } from "../../../src/domain/spec/ParsedSpec.ts"

const minimal = { format_version: 1, cluster: { roles: [], databases: [] }, suspend_timeout_seconds: -1 }
const tenant = "b0554b632bd4d547a63b86c3630317e8"
const timeline = "1e8a3f1d2c4b5a69788796a5b4c3d2e1"
const complete = {
  ...minimal,
  tenant_id: tenant,
  timeline_id: timeline,
  pageserver_connstring: "host=ps",
  safekeeper_connstrings: ["a:1"]
}

const decode = (spec: object) => decodeJson(ComputeSpec, JSON.stringify({ ...minimal, ...spec }))
const spec = (members: object) => Result.getOrThrow(decode(members))
const parsed = (members: object) => parseSpec(spec({ ...complete, ...members }))
const message = (members: object) => Result.getOrThrow(Result.flip(parsed(members))).message
const settings = (values: Readonly<Record<string, string | null>>) => ({
  cluster: {
    roles: [],
    databases: [],
    settings: Object.entries(values).map(([name, value]) => ({ name, value, vartype: "string" }))
  }
})

const u32 = fc.nat(0xffffffff)

describe("Lsn", () => {
  it("reads and writes both halves", () => {
    expect(Lsn.parse(" 0/16B5A50 ")).toEqual(Result.succeed(23812688n))
    expect(Lsn.parse("1/0")).toEqual(Result.succeed(4294967296n))
    for (const text of ["16B5A50", "0/1/2", "", "/", "0/", "0/g", "0/100000000", "-1/0", "0 /1"]) {
      expect([text, Lsn.parse(text)]).toEqual([text, Result.fail("LsnParseError")])
    }
  })

  it("survives a round", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 0xffffffffffffffffn), (value) => {
        const text = Lsn.format(Lsn.fromBigInt(value))
        expect(text).toMatch(/^(0|[1-9A-F][0-9A-F]*)\/(0|[1-9A-F][0-9A-F]*)$/)
        expect(Lsn.parse(text)).toEqual(Result.succeed(value))
        expect(Lsn.parse(text.toLowerCase())).toEqual(Result.succeed(value))
      })
    )
  })
})

describe("ids", () => {
  const id = Schema.decodeUnknownResult(TenantId)
  const fault = (text: string) => String(Result.getOrThrow(Result.flip(id(text))).message)

  it("are 32 hex digits of either case, kept in lower case", () => {
    expect(id(tenant.toUpperCase())).toEqual(Result.succeed(tenant))
    expect(fault("abc")).toContain("Odd number of digits")
    expect(fault("")).toContain("Invalid string length")
    expect(fault(`${tenant}00`)).toContain("Invalid string length")
    expect(fault(`zz${tenant.slice(2)}`)).toContain("Invalid character 'z' at position 0")
  })

  it("name a shard by four hex digits", () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(255), (number, count) => {
        expect(parseShardIndex(formatShardIndex({ number, count }))).toEqual(Result.succeed({ number, count }))
      })
    )
    expect(formatShardIndex({ number: 1, count: 2 })).toBe("0102")
    expect(Result.isFailure(parseShardIndex("102"))).toBe(true)
    const given = Result.getOrThrow(id(tenant))
    expect(formatTenantShardId(given, { number: 0, count: 0 })).toBe(tenant)
    expect(formatTenantShardId(given, { number: 0, count: 1 })).toBe(`${tenant}-0001`)
  })
})

describe("a spec", () => {
  it("needs little, and has its defaults only where nothing is given", () => {
    expect(spec({})).toMatchObject({
      mode: "Primary",
      features: [],
      reconfigure_concurrency: 1,
      audit_log_level: "Disabled",
      safekeeper_connstrings: [],
      skip_pg_catalog_updates: false,
      autoprewarm: false,
      drop_subscriptions_before_start: false,
      tenant_id: null,
      delta_operations: null
    })
    for (const member of [
      "features",
      "mode",
      "safekeeper_connstrings",
      "autoprewarm",
      "audit_log_level",
      "reconfigure_concurrency",
      "skip_pg_catalog_updates",
      "drop_subscriptions_before_start"
    ]) {
      expect([member, Result.isFailure(decode({ [member]: null }))]).toEqual([member, true])
    }
    for (const member of ["tenant_id", "swap_size_bytes", "remote_extensions", "databricks_settings"]) {
      expect([member, Result.isSuccess(decode({ [member]: null }))]).toEqual([member, true])
    }
  })

  it("keeps features it does not know as unknown", () => {
    const { features } = spec({ features: ["foo", "tls_experimental"] })
    expect(features).toEqual(["unknown_feature", "tls_experimental"])
    expect(Result.isFailure(decode({ features: [1] }))).toBe(true)
  })

  it("has a mode in each of its forms", () => {
    const mode = (given: unknown) => Result.map(decode({ mode: given }), (read) => read.mode)
    expect(mode({ Static: " 0/16B5A50 " })).toEqual(Result.succeed({ Static: 23812688n }))
    expect(modeName(spec({ mode: { Static: "0/0" } }).mode)).toBe("static")
    expect(mode({ Primary: null })).toEqual(Result.succeed("Primary"))
    expect(mode({ Replica: null })).toEqual(Result.succeed("Replica"))
    for (const wrong of [
      { Static: 5 },
      { Static: "16B5A50" },
      "primary",
      "Static",
      {},
      [],
      { Primary: 1 },
      { Primary: null, Replica: null }
    ]) {
      expect([wrong, Result.isFailure(mode(wrong))]).toEqual([wrong, true])
    }
  })

  it("keeps every digit of sizes and node ids", () => {
    const text = JSON.stringify({
      ...minimal,
      pageserver_connection_info: { shard_count: 0, shards: { "0000": { pageservers: [{ id: 1 }] } } }
    })
    const big = text.replace('"id":1', '"id":18446744073709551615').replace("{", '{"swap_size_bytes":9007199254740993,')
    const read = Result.getOrThrow(decodeJson(ComputeSpec, big))
    expect(read.swap_size_bytes).toBe(9007199254740993n)
    expect(read.pageserver_connection_info?.shards["0000"]?.pageservers[0]?.id).toBe(18446744073709551615n)
    expect(Result.isFailure(decodeJson(ComputeSpec, big.replace("551615", "551616")))).toBe(true)
    expect(Result.isFailure(decode({ swap_size_bytes: -1 }))).toBe(true)
    expect(Result.isFailure(decode({ swap_size_bytes: 1.5 }))).toBe(true)
    expect(Result.isFailure(decode({ swap_size_bytes: "1" }))).toBe(true)
  })

  it("spaces the collections of installed extensions", () => {
    const interval = (suspend_timeout_seconds: number) => installedExtensionsInterval(spec({ suspend_timeout_seconds }))
    expect([300, 0, -1, -2].map(interval)).toEqual([300, 3600, 3600, 3600])
  })

  it("hides what is secret from every printer", () => {
    const read = spec({ storage_auth_token: "t0p", endpoint_storage_token: "s3cret" })
    expect(String(read.storage_auth_token)).not.toContain("t0p")
    expect(Redacted.value(read.storage_auth_token!)).toBe("t0p")
  })
})

describe("pageserver connection info", () => {
  it("comes from a legacy string", () => {
    const keys = (text: string, stripe: number | null) =>
      Result.map(fromConnstring(text, stripe), (info) => [info.shard_count, info.stripe_size, Object.keys(info.shards)])
    expect(keys("postgresql://ps:6400", 32768)).toEqual(Result.succeed([0, null, ["0000"]]))
    expect(keys("a,b,c", 8)).toEqual(Result.succeed([3, 8, ["0003", "0103", "0203"]]))
    expect(keys("a,b", null)).toEqual(Result.fail("2 shards but no stripe_size"))
    expect(keys(Array(256).fill("a").join(","), 8)).toEqual(
      Result.fail("out of range integral type conversion attempted")
    )
  })

  const info = (shards: object, more: object = {}) =>
    Schema.decodeUnknownSync(PageserverConnectionInfo)({ shard_count: 2, stripe_size: 2048, shards, ...more })
  const first = { pageservers: [{ id: 11, libpq_url: "l0", grpc_url: "g0" }] }
  const second = { pageservers: [{ id: 12, libpq_url: "l1", grpc_url: null }] }

  it("finds the URL of a shard, or says what is missing", () => {
    const both = info({ "0002": first, "0102": second })
    expect(shardUrl(both, 0, "grpc")).toEqual(Result.succeed("g0"))
    expect(shardUrl(both, 1, "grpc")).toEqual(Result.fail("no grpc_url for shard 0102"))
    expect(shardUrl(both, 2, "libpq")).toEqual(Result.fail("shard connection info missing for shard 0202"))
    expect(shardUrl(info({ "0002": { pageservers: [] } }), 0, "libpq")).toEqual(
      Result.fail("must have at least one pageserver")
    )
  })

  it("takes shard keys in either case", () => {
    const many = info({ "0A0B": first }, { shard_count: 11 })
    expect(shardUrl(many, 10, "libpq")).toEqual(Result.succeed("l0"))
    expect(() => info({ "12": first })).toThrow()
  })

  it("is the same whatever the order of its shards, and another when anything else differs", () => {
    const one = info({ "0002": first, "0102": second })
    expect(equivalence(one, info({ "0102": second, "0002": first }))).toBe(true)
    const renumbered = { pageservers: [{ ...first.pageservers[0], id: 99 }] }
    for (const other of [
      info({ "0002": renumbered, "0102": second }),
      info({ "0002": first }),
      info({ "0002": first, "0102": { pageservers: [] } }),
      info({ "0002": first, "0202": second }),
      info({ "0002": first, "0102": second }, { stripe_size: 1 }),
      info({ "0002": first, "0102": second }, { prefer_protocol: "grpc" })
    ]) {
      expect(equivalence(one, other)).toBe(false)
      expect(equivalence(other, one)).toBe(false)
    }
  })
})

describe("a spec is resolved", () => {
  it("from fields, or from settings of old control planes", () => {
    const old = {
      "neon.pageserver_connstring": "host=ps port=6400",
      "neon.safekeepers": "s1:1,s2:1",
      "neon.tenant_id": tenant,
      "neon.timeline_id": timeline,
      "neon.endpoint_storage_addr": "es:1"
    }
    const resolved = Result.getOrThrow(parseSpec(spec(settings(old))))
    expect(resolved).toMatchObject({
      safekeepers: ["s1:1", "s2:1"],
      safekeepersGeneration: null,
      tenantId: tenant,
      endpointStorageAddr: "es:1",
      pageserver: { shard_count: 0, shards: { "0000": { pageservers: [{ libpq_url: "host=ps port=6400" }] } } }
    })
    const generation = spec(settings({ ...old, "neon.safekeepers": "g#7:s1:1,s2:1" }))
    expect(parseSpec(generation)).toMatchObject({
      success: { safekeepers: ["s1:1", "s2:1"], safekeepersGeneration: 7 }
    })
    const stripes = { "neon.pageserver_connstring": "a,b", "neon.stripe_size": "8" }
    expect(parseSpec(spec(settings({ ...old, ...stripes })))).toMatchObject({
      success: { pageserver: { stripe_size: 8 } }
    })
    for (const [stripe, reason] of [
      ["x", "invalid digit found in string"],
      ["", "cannot parse integer from empty string"],
      ["4294967296", "number too large to fit in target type"]
    ] as const) {
      const wrong = spec(settings({ ...old, ...stripes, "neon.stripe_size": stripe }))
      expect(parseSpec(wrong)).toMatchObject({ failure: { message: reason } })
    }
  })

  it("by the last of several settings, as Postgres does", () => {
    const twice = spec({
      ...complete,
      tenant_id: null,
      cluster: {
        roles: [],
        databases: [],
        settings: ["f".repeat(32), tenant].map((value) => ({ name: "neon.tenant_id", value, vartype: "string" }))
      }
    })
    expect(parseSpec(twice)).toMatchObject({ success: { tenantId: tenant } })
  })

  it("or refused in the known words and order", () => {
    const bare = { tenant_id: null, timeline_id: null, pageserver_connstring: null, safekeeper_connstrings: [] }
    expect(message(bare)).toBe("pageserver connection information should be provided")
    expect(message({ ...bare, pageserver_connstring: "" })).toBe("safekeeper connstrings should be provided")
    expect(message({ tenant_id: null, timeline_id: null })).toBe("tenant id should be provided")
    expect(message({ timeline_id: null, safekeeper_connstrings: ["a", "a"] })).toBe("timeline id should be provided")
    expect(message({ tenant_id: null, ...settings({ "neon.tenant_id": "xyz" }) })).toBe("invalid tenant id")
    expect(message({ safekeeper_connstrings: ["b:1", "a:1", "b:1", "a:1"] })).toBe(
      "duplicate entry in safekeeper_connstrings: a:1!"
    )
    expect(message({ pageserver_connstring: "a,b" })).toBe("2 shards but no stripe_size")
  })

  it("without safekeepers unless it is a primary", () => {
    for (const mode of ["Replica", { Static: "0/1" }]) {
      expect(parsed({ mode, safekeeper_connstrings: [] })).toMatchObject({ success: { safekeepers: [] } })
      expect(Result.isSuccess(parsed({ mode, safekeeper_connstrings: ["a", "a"] }))).toBe(true)
    }
  })

  it("and what would fail later is refused now, by its path", () => {
    const fault = (members: object) => Result.getOrThrow(Result.flip(parsed(members)))
    expect(fault({ delta_operations: [{ action: "rename_db", name: "a" }] }).field).toBe(
      "spec.delta_operations[0].new_name"
    )
    expect(Result.isSuccess(parsed({ delta_operations: [{ action: "delete_db", name: "a" }] }))).toBe(true)
    const info = (pageserver: object) => ({
      pageserver_connection_info: {
        shard_count: 0,
        shards: { "0000": { pageservers: [pageserver] } },
        prefer_protocol: "grpc"
      }
    })
    expect(fault(info({ id: 1 }))).toMatchObject({
      field: "spec.pageserver_connection_info",
      message: "no grpc_url for shard 0000"
    })
    for (const url of ["grpc_url", "libpq_url"]) expect(Result.isSuccess(parsed(info({ [url]: "x" })))).toBe(true)
    const cluster = { roles: [], databases: [], settings: [{ name: "jit", value: "on\nfsync=off", vartype: "bool" }] }
    expect(fault({ cluster }).message).toContain('"jit"')
  })

  it("never with an exception, whatever its lists hold", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string(), { maxLength: 5 }),
        fc.string(),
        fc.option(u32),
        (keepers, connstring, stripe) => {
          const members = {
            safekeeper_connstrings: keepers,
            pageserver_connstring: connstring,
            shard_stripe_size: stripe
          }
          const result = parsed(members)
          const duplicates = new Set(keepers).size < keepers.length
          const sharded = connstring.includes(",")
          expect(Result.isSuccess(result)).toBe(keepers.length > 0 && !duplicates && (!sharded || stripe !== null))
        }
      )
    )
  })

  it("with TLS only when machine and spec agree", () => {
    const pair = { key_path: "k", cert_path: "c" }
    expect(effectiveTls(spec({ features: ["tls_experimental"] }), pair)).toBe(pair)
    expect(effectiveTls(spec({ features: ["tls_experimental"] }), null)).toBe(null)
    expect(effectiveTls(spec({}), pair)).toBe(null)
  })
})

describe("a configuration", () => {
  const ed25519 = { use: "sig", key_ops: ["verify"], alg: "EdDSA", kid: "a", kty: "OKP", crv: "Ed25519", x: "AA" }
  const config = (keys: ReadonlyArray<object>, more: object = {}) =>
    decodeJson(ComputeConfig, JSON.stringify({ spec: null, compute_ctl_config: { jwks: { keys }, ...more } }))
  const keysOf = (keys: ReadonlyArray<object>) => Result.getOrThrow(config(keys)).compute_ctl_config.jwks

  it("may lack a spec, not its keys", () => {
    expect(Result.getOrThrow(config([]))).toMatchObject({ spec: null, compute_ctl_config: { tls: null } })
    expect(decodeJson(ComputeConfig, '{"spec":null}')).toMatchObject({
      failure: { message: expect.stringContaining("missing field `compute_ctl_config`") }
    })
    expect(config([], { tls: { key_path: "k" } })).toMatchObject({
      failure: { path: "compute_ctl_config.tls", message: expect.stringContaining("missing field `cert_path`") }
    })
  })

  it("takes keys of every kind it knows and drops the others", () => {
    const known = [
      ed25519,
      { kty: "EC", crv: "P-256", x: "a", y: "b" },
      { kty: "RSA", n: "a", e: "b", alg: "RS256" },
      { kty: "oct", k: "a" }
    ]
    expect(keysOf(known).keys.map(({ kty }) => kty)).toEqual(["OKP", "EC", "RSA", "oct"])
    expect(keysOf(known).unusable).toBe(undefined)
    const others = [
      { ...ed25519, alg: "ES999" },
      { kty: "AKP", pub: "x" },
      { ...ed25519, crv: "Ed448" }
    ]
    const set = keysOf([...others, ed25519])
    expect(set.keys.length).toBe(1)
    expect(set.unusable?.length).toBe(3)
    expect(set.unusable?.[0]).toContain('alg "ES999"')
  })

  it("is read from the recorded ones, all of them", () => {
    const folder = path.join(import.meta.dirname, "../../golden/conf")
    for (const file of fs.readdirSync(folder)) {
      const recorded = JSON.parse(fs.readFileSync(path.join(folder, file), "utf8")).case.spec
      expect([file, Result.isSuccess(decodeJson(ComputeSpec, JSON.stringify(recorded)))]).toEqual([file, true])
    }
  })
})

describe("the port of a connection string", () => {
  for (const [connstr, port] of [
    ["postgresql://cloud_admin@localhost:55432/postgres", 55432],
    ["postgres://u:p%40:1@[::1]:6000/db?port=7", 7],
    ["postgresql:///db?host=/tmp&port=7000", 7000],
    ["host=localhost port=5433 user=a", 5433],
    ["host=h port='5434'", 5434],
    ["postgresql://u@h/db", 5432],
    ["host=h support=9", 5432]
  ] as const) {
    it(connstr, () => expect(portOf(connstr)).toBe(port))
  }
})
