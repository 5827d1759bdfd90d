import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
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
const failure = <A, E>(result: Result.Result<A, E>) => Result.getOrThrow(Result.flip(result))
const message = (members: object) => failure(parsed(members)).message
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
    assert.strictEqual(Result.getOrThrow(Lsn.parse(" 0/16B5A50 ")), 23812688n)
    assert.strictEqual(Result.getOrThrow(Lsn.parse("1/0")), 4294967296n)
    for (const text of ["16B5A50", "0/1/2", "", "/", "0/", "0/g", "0/100000000", "-1/0", "0 /1"]) {
      assert.deepStrictEqual([text, Lsn.parse(text)], [text, Result.fail("LsnParseError")])
    }
  })

  it("survives a round", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 0xffffffffffffffffn), (value) => {
        const text = Lsn.format(Lsn.fromBigInt(value))
        assert.match(text, /^(0|[1-9A-F][0-9A-F]*)\/(0|[1-9A-F][0-9A-F]*)$/)
        assert.strictEqual(Result.getOrThrow(Lsn.parse(text)), value)
        assert.strictEqual(Result.getOrThrow(Lsn.parse(text.toLowerCase())), value)
      })
    )
  })
})

describe("ids", () => {
  const id = Schema.decodeUnknownResult(TenantId)
  const fault = (text: string) => String(Result.getOrThrow(Result.flip(id(text))).message)

  it("are 32 hex digits of either case, kept in lower case", () => {
    assert.strictEqual(Result.getOrThrow(id(tenant.toUpperCase())), tenant)
    assert.include(fault("abc"), "Odd number of digits")
    assert.include(fault(""), "Invalid string length")
    assert.include(fault(`${tenant}00`), "Invalid string length")
    assert.include(fault(`zz${tenant.slice(2)}`), "Invalid character 'z' at position 0")
  })

  it("name a shard by four hex digits", () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(255), (number, count) => {
        assert.deepStrictEqual(parseShardIndex(formatShardIndex({ number, count })), Result.succeed({ number, count }))
      })
    )
    assert.strictEqual(formatShardIndex({ number: 1, count: 2 }), "0102")
    assert.isTrue(Result.isFailure(parseShardIndex("102")))
    const given = Result.getOrThrow(id(tenant))
    assert.strictEqual(formatTenantShardId(given, { number: 0, count: 0 }), tenant)
    assert.strictEqual(formatTenantShardId(given, { number: 0, count: 1 }), `${tenant}-0001`)
  })
})

describe("a spec", () => {
  it("needs little, and has its defaults only where nothing is given", () => {
    assert.deepInclude(spec({}), {
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
      assert.deepStrictEqual([member, Result.isFailure(decode({ [member]: null }))], [member, true])
    }
    for (const member of ["tenant_id", "swap_size_bytes", "remote_extensions", "databricks_settings"]) {
      assert.deepStrictEqual([member, Result.isSuccess(decode({ [member]: null }))], [member, true])
    }
  })

  it("keeps features it does not know as unknown", () => {
    const { features } = spec({ features: ["foo", "tls_experimental"] })
    assert.deepStrictEqual(features, ["unknown_feature", "tls_experimental"])
    assert.isTrue(Result.isFailure(decode({ features: [1] })))
  })

  it("has a mode in each of its forms", () => {
    const mode = (given: unknown) => Result.map(decode({ mode: given }), (read) => read.mode)
    assert.deepStrictEqual(mode({ Static: " 0/16B5A50 " }), Result.succeed({ Static: Lsn.fromBigInt(23812688n) }))
    assert.strictEqual(modeName(spec({ mode: { Static: "0/0" } }).mode), "static")
    assert.deepStrictEqual(mode({ Primary: null }), Result.succeed("Primary"))
    assert.deepStrictEqual(mode({ Replica: null }), Result.succeed("Replica"))
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
      assert.deepStrictEqual([wrong, Result.isFailure(mode(wrong))], [wrong, true])
    }
  })

  it("keeps every digit of sizes and node ids", () => {
    const text = JSON.stringify({
      ...minimal,
      pageserver_connection_info: { shard_count: 0, shards: { "0000": { pageservers: [{ id: 1 }] } } }
    })
    const big = text.replace('"id":1', '"id":18446744073709551615').replace("{", '{"swap_size_bytes":9007199254740993,')
    const read = Result.getOrThrow(decodeJson(ComputeSpec, big))
    assert.strictEqual(read.swap_size_bytes, 9007199254740993n)
    assert.strictEqual(read.pageserver_connection_info?.shards["0000"]?.pageservers[0]?.id, 18446744073709551615n)
    assert.isTrue(Result.isFailure(decodeJson(ComputeSpec, big.replace("551615", "551616"))))
    assert.isTrue(Result.isFailure(decode({ swap_size_bytes: -1 })))
    assert.isTrue(Result.isFailure(decode({ swap_size_bytes: 1.5 })))
    assert.isTrue(Result.isFailure(decode({ swap_size_bytes: "1" })))
  })

  it("spaces the collections of installed extensions", () => {
    const interval = (suspend_timeout_seconds: number) => installedExtensionsInterval(spec({ suspend_timeout_seconds }))
    assert.deepStrictEqual([300, 0, -1, -2].map(interval), [300, 3600, 3600, 3600])
  })

  it("hides what is secret from every printer", () => {
    const read = spec({ storage_auth_token: "t0p", endpoint_storage_token: "s3cret" })
    assert.notInclude(String(read.storage_auth_token), "t0p")
    assert.strictEqual(Redacted.value(read.storage_auth_token!), "t0p")
  })
})

describe("pageserver connection info", () => {
  it("comes from a legacy string", () => {
    const keys = (text: string, stripe: number | null) =>
      Result.map(fromConnstring(text, stripe), (info) => [info.shard_count, info.stripe_size, Object.keys(info.shards)])
    assert.deepStrictEqual(keys("postgresql://ps:6400", 32768), Result.succeed([0, null, ["0000"]]))
    assert.deepStrictEqual(keys("a,b,c", 8), Result.succeed([3, 8, ["0003", "0103", "0203"]]))
    assert.deepStrictEqual(keys("a,b", null), Result.fail("2 shards but no stripe_size"))
    assert.deepStrictEqual(
      keys(Array(256).fill("a").join(","), 8),
      Result.fail("out of range integral type conversion attempted")
    )
  })

  const info = (shards: object, more: object = {}) =>
    Schema.decodeUnknownSync(PageserverConnectionInfo)({ shard_count: 2, stripe_size: 2048, shards, ...more })
  const first = { pageservers: [{ id: 11, libpq_url: "l0", grpc_url: "g0" }] }
  const second = { pageservers: [{ id: 12, libpq_url: "l1", grpc_url: null }] }

  it("finds the URL of a shard, or says what is missing", () => {
    const both = info({ "0002": first, "0102": second })
    assert.deepStrictEqual(shardUrl(both, 0, "grpc"), Result.succeed("g0"))
    assert.deepStrictEqual(shardUrl(both, 1, "grpc"), Result.fail("no grpc_url for shard 0102"))
    assert.deepStrictEqual(shardUrl(both, 2, "libpq"), Result.fail("shard connection info missing for shard 0202"))
    assert.deepStrictEqual(
      shardUrl(info({ "0002": { pageservers: [] } }), 0, "libpq"),
      Result.fail("must have at least one pageserver")
    )
  })

  it("takes shard keys in either case", () => {
    const many = info({ "0A0B": first }, { shard_count: 11 })
    assert.deepStrictEqual(shardUrl(many, 10, "libpq"), Result.succeed("l0"))
    assert.throws(() => info({ "12": first }))
  })

  it("is the same whatever the order of its shards, and another when anything else differs", () => {
    const one = info({ "0002": first, "0102": second })
    assert.isTrue(equivalence(one, info({ "0102": second, "0002": first })))
    const renumbered = { pageservers: [{ ...first.pageservers[0], id: 99 }] }
    for (const other of [
      info({ "0002": renumbered, "0102": second }),
      info({ "0002": first }),
      info({ "0002": first, "0102": { pageservers: [] } }),
      info({ "0002": first, "0202": second }),
      info({ "0002": first, "0102": second }, { stripe_size: 1 }),
      info({ "0002": first, "0102": second }, { prefer_protocol: "grpc" })
    ]) {
      assert.isFalse(equivalence(one, other))
      assert.isFalse(equivalence(other, one))
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
    assert.deepInclude(resolved, {
      safekeepers: ["s1:1", "s2:1"],
      safekeepersGeneration: null,
      endpointStorageAddr: "es:1"
    })
    assert.strictEqual(resolved.tenantId, tenant)
    assert.strictEqual(resolved.pageserver.shard_count, 0)
    assert.deepStrictEqual(
      resolved.pageserver.shards["0000"]?.pageservers.map(({ libpq_url }) => libpq_url),
      ["host=ps port=6400"]
    )
    const generation = spec(settings({ ...old, "neon.safekeepers": "g#7:s1:1,s2:1" }))
    assert.deepInclude(Result.getOrThrow(parseSpec(generation)), {
      safekeepers: ["s1:1", "s2:1"],
      safekeepersGeneration: 7
    })
    const stripes = { "neon.pageserver_connstring": "a,b", "neon.stripe_size": "8" }
    assert.strictEqual(Result.getOrThrow(parseSpec(spec(settings({ ...old, ...stripes })))).pageserver.stripe_size, 8)
    for (const [stripe, reason] of [
      ["x", "invalid digit found in string"],
      ["", "cannot parse integer from empty string"],
      ["4294967296", "number too large to fit in target type"]
    ] as const) {
      const wrong = spec(settings({ ...old, ...stripes, "neon.stripe_size": stripe }))
      assert.strictEqual(failure(parseSpec(wrong)).message, reason)
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
    assert.strictEqual(Result.getOrThrow(parseSpec(twice)).tenantId, tenant)
  })

  it("or refused in the known words and order", () => {
    const bare = { tenant_id: null, timeline_id: null, pageserver_connstring: null, safekeeper_connstrings: [] }
    assert.strictEqual(message(bare), "pageserver connection information should be provided")
    assert.strictEqual(message({ ...bare, pageserver_connstring: "" }), "safekeeper connstrings should be provided")
    assert.strictEqual(message({ tenant_id: null, timeline_id: null }), "tenant id should be provided")
    assert.strictEqual(
      message({ timeline_id: null, safekeeper_connstrings: ["a", "a"] }),
      "timeline id should be provided"
    )
    assert.strictEqual(message({ tenant_id: null, ...settings({ "neon.tenant_id": "xyz" }) }), "invalid tenant id")
    assert.strictEqual(
      message({ safekeeper_connstrings: ["b:1", "a:1", "b:1", "a:1"] }),
      "duplicate entry in safekeeper_connstrings: a:1!"
    )
    assert.strictEqual(message({ pageserver_connstring: "a,b" }), "2 shards but no stripe_size")
  })

  it("without safekeepers unless it is a primary", () => {
    for (const mode of ["Replica", { Static: "0/1" }]) {
      assert.deepStrictEqual(Result.getOrThrow(parsed({ mode, safekeeper_connstrings: [] })).safekeepers, [])
      assert.isTrue(Result.isSuccess(parsed({ mode, safekeeper_connstrings: ["a", "a"] })))
    }
  })

  it("and what would fail later is refused now, by its path", () => {
    const fault = (members: object) => failure(parsed(members))
    assert.strictEqual(
      fault({ delta_operations: [{ action: "rename_db", name: "a" }] }).field,
      "spec.delta_operations[0].new_name"
    )
    assert.isTrue(Result.isSuccess(parsed({ delta_operations: [{ action: "delete_db", name: "a" }] })))
    const info = (pageserver: object) => ({
      pageserver_connection_info: {
        shard_count: 0,
        shards: { "0000": { pageservers: [pageserver] } },
        prefer_protocol: "grpc"
      }
    })
    assert.deepInclude(fault(info({ id: 1 })), {
      field: "spec.pageserver_connection_info",
      message: "no grpc_url for shard 0000"
    })
    for (const url of ["grpc_url", "libpq_url"]) assert.isTrue(Result.isSuccess(parsed(info({ [url]: "x" }))))
    const cluster = { roles: [], databases: [], settings: [{ name: "jit", value: "on\nfsync=off", vartype: "bool" }] }
    assert.include(fault({ cluster }).message, '"jit"')
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
          assert.strictEqual(
            Result.isSuccess(result),
            keepers.length > 0 && !duplicates && (!sharded || stripe !== null)
          )
        }
      )
    )
  })

  it("with TLS only when machine and spec agree", () => {
    const pair = { key_path: "k", cert_path: "c" }
    assert.strictEqual(effectiveTls(spec({ features: ["tls_experimental"] }), pair), pair)
    assert.isNull(effectiveTls(spec({ features: ["tls_experimental"] }), null))
    assert.isNull(effectiveTls(spec({}), pair))
  })
})

describe("a configuration", () => {
  const ed25519 = { use: "sig", key_ops: ["verify"], alg: "EdDSA", kid: "a", kty: "OKP", crv: "Ed25519", x: "AA" }
  const config = (keys: ReadonlyArray<object>, more: object = {}) =>
    decodeJson(ComputeConfig, JSON.stringify({ spec: null, compute_ctl_config: { jwks: { keys }, ...more } }))
  const keysOf = (keys: ReadonlyArray<object>) => Result.getOrThrow(config(keys)).compute_ctl_config.jwks

  it("may lack a spec, not its keys", () => {
    const bare = Result.getOrThrow(config([]))
    assert.isNull(bare.spec)
    assert.isNull(bare.compute_ctl_config.tls)
    assert.include(failure(decodeJson(ComputeConfig, '{"spec":null}')).message, "missing field `compute_ctl_config`")
    const half = failure(config([], { tls: { key_path: "k" } }))
    assert.strictEqual(half.path, "compute_ctl_config.tls")
    assert.include(half.message, "missing field `cert_path`")
  })

  it("takes keys of every kind it knows and drops the others", () => {
    const known = [
      ed25519,
      { kty: "EC", crv: "P-256", x: "a", y: "b" },
      { kty: "RSA", n: "a", e: "b", alg: "RS256" },
      { kty: "oct", k: "a" }
    ]
    assert.deepStrictEqual(
      keysOf(known).keys.map(({ kty }) => kty),
      ["OKP", "EC", "RSA", "oct"]
    )
    assert.isUndefined(keysOf(known).unusable)
    const others = [
      { ...ed25519, alg: "ES999" },
      { kty: "AKP", pub: "x" },
      { ...ed25519, crv: "Ed448" }
    ]
    const set = keysOf([...others, ed25519])
    assert.strictEqual(set.keys.length, 1)
    assert.strictEqual(set.unusable?.length, 3)
    assert.include(set.unusable?.[0] ?? "", 'alg "ES999"')
  })

  it("is read from the recorded ones, all of them", () => {
    const folder = path.join(import.meta.dirname, "../../golden/conf")
    for (const file of fs.readdirSync(folder)) {
      const recorded = JSON.parse(fs.readFileSync(path.join(folder, file), "utf8")).case.spec
      assert.deepStrictEqual([file, Result.isSuccess(decodeJson(ComputeSpec, JSON.stringify(recorded)))], [file, true])
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
    it(connstr, () => assert.strictEqual(portOf(connstr), port))
  }
})
