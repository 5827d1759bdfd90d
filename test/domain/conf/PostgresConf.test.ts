import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type ConfContext, optionLine, render } from "../../../src/domain/conf/PostgresConf.ts"
import { withLibraries } from "../../../src/domain/conf/PreloadList.ts"
import { ComputeSpec } from "../../../src/domain/spec/ComputeSpec.ts"
import { maxConnections, startConcurrency } from "../../../src/domain/spec/Concurrency.ts"
import { confContext } from "../../rig/confContext.ts"

const folder = path.join(import.meta.dirname, "../../golden/conf")
const decode = Schema.decodeUnknownSync(ComputeSpec)
const minimal = {
  format_version: 1,
  suspend_timeout_seconds: -1,
  cluster: { roles: [], databases: [] },
  tenant_id: "1f7e3c2a9b0d4e5f8a6b7c8d9e0f1a2b",
  timeline_id: "8c5d2e1f0a9b4c3d7e6f5a4b3c2d1e0f"
}
const lines = (spec: object, context: Partial<ConfContext> = {}): ReadonlyArray<string> =>
  Result.getOrThrow(render(decode({ ...minimal, ...spec }), { ...confContext, ...context })).split("\n")
const failure = <A, E>(result: Result.Result<A, E>) => Result.getOrThrow(Result.flip(result))

interface Case {
  readonly spec: object
  readonly args?: ReadonlyArray<string>
  readonly tls?: boolean
}

describe("postgresql.conf as recorded", () => {
  for (const file of fs.readdirSync(folder)) {
    it(file.replace(".json", ""), () => {
      const recorded: { case: Case; result: string } = JSON.parse(fs.readFileSync(path.join(folder, file), "utf8"))
      const { spec: json, args = [], tls = false } = recorded.case
      const spec = decode(json)
      const context: ConfContext = {
        ...confContext,
        internalHttpPort: 4242,
        tls: tls && spec.features.includes("tls_experimental"),
        privilegedRole: args.includes("--privileged-role-name") ? args.at(-1)! : "neon_superuser",
        lakebase: args.includes("--lakebase-mode") ? { port: 55432 } : null
      }
      const text = Result.getOrThrow(render(spec, context))
      assert.strictEqual(text, recorded.result.replaceAll("INTERNAL_PORT", "4242"))
    })
  }
})

describe("postgresql.conf", () => {
  it("takes the pageservers of all shards or of none", () => {
    const shards = (second: string | null) => ({
      pageserver_connection_info: {
        shard_count: 2,
        stripe_size: 8,
        shards: {
          "0102": { pageservers: [{ libpq_url: second }] },
          "0002": { pageservers: [{ libpq_url: "a" }, { libpq_url: "never" }] }
        }
      }
    })
    assert.include(lines(shards("b")), "neon.pageserver_connstring='a,b'")
    assert.include(lines(shards(null)), "# no neon.pageserver_connstring")
  })

  it("names the shard that the map lacks", () => {
    const spec = decode({
      ...minimal,
      pageserver_connection_info: { shard_count: 2, shards: { "0002": { pageservers: [{ libpq_url: "a" }] } } }
    })
    assert.strictEqual(
      failure(render(spec, confContext)).message,
      "shard 0102 missing from pageserver_connection_info shard map"
    )
  })

  it("prefixes safekeepers with any generation, zero too", () => {
    const safekeeper_connstrings = ["a:1", "b:2"]
    assert.include(lines({ safekeeper_connstrings }), "neon.safekeepers='a:1,b:2'")
    assert.include(lines({ safekeeper_connstrings, safekeepers_generation: 0 }), "neon.safekeepers='g#0:a:1,b:2'")
    assert.deepStrictEqual(
      lines({}).filter((line) => line.startsWith("neon.safekeepers")),
      []
    )
  })

  it("writes the recovery target of a static compute", () => {
    const text = lines({ mode: { Static: "0/169AD58" }, audit_log_level: "Full" })
    const from = text.indexOf("neon.compute_mode=static")
    assert.deepStrictEqual(text.slice(from, from + 3), [
      "neon.compute_mode=static",
      "hot_standby=on",
      "recovery_target_lsn='0/169AD58'"
    ])
    assert.include(text, "pgaudit.log='all'")
    assert.include(text, "pgaudit.log_parameter=on")
  })

  it("lets shared memory swap when the kernel does not overcommit", () => {
    assert.include(lines({}, { strictOvercommit: true }), "dynamic_shared_memory_type = mmap")
    assert.notInclude(lines({}), "dynamic_shared_memory_type = mmap")
  })

  it("escapes the Databricks settings", () => {
    const databricks_settings = {
      pg_compute_tls_settings: { cert_file: "c", key_file: "k", ca_file: "/it's/ca" },
      databricks_pg_hba: "h",
      databricks_pg_ident: "i",
      databricks_workspace_host: "w"
    }
    const text = lines({ databricks_settings }, { lakebase: { port: 5433 } })
    const from = text.indexOf("port = 5433")
    assert.deepStrictEqual(text.slice(from, from + 8), [
      "port = 5433",
      "# Databricks settings start",
      "ssl_ca_file = '/it''s/ca'",
      "databricks.workspace_url = 'w'",
      "databricks.enable_databricks_identity_login = true",
      "databricks.enable_sql_restrictions = true",
      "",
      "# Databricks settings end"
    ])
  })
})

describe("settings", () => {
  const line = (name: string, value: string | null, vartype: string) => optionLine({ name, value, vartype })

  it("are written by type", () => {
    assert.deepStrictEqual(
      line("test.escaping", `a \\ b ' c " d`, "string"),
      Result.succeed(`test.escaping = 'a \\\\ b '' c " d'`)
    )
    assert.deepStrictEqual(line("fsync", "off", "bool"), Result.succeed("fsync = off"))
    assert.deepStrictEqual(line("a", "x\ny", "string"), Result.succeed("a = 'x\\ny'"))
  })

  it("cannot smuggle another line in", () => {
    const refused = failure(line("a", "on\nfsync = off", "bool"))
    assert.strictEqual(refused.field, "a")
    assert.include(refused.message, 'setting "a"')
    assert.include(failure(line("a\nfsync", "off", "string")).message, "control character")
    assert.include(failure(line("a", "x\u0000y", "string")).message, "NUL")
  })
})

describe("audit libraries", () => {
  it("are compared item by item", () => {
    assert.strictEqual(
      withLibraries("neon,pgauditlogtofile", ["pgaudit", "pgauditlogtofile"]),
      "neon,pgauditlogtofile,pgaudit"
    )
    assert.strictEqual(withLibraries("neon, pgaudit", ["pgaudit"]), "neon, pgaudit")
    assert.strictEqual(withLibraries("", ["pgaudit"]), "pgaudit")
  })
})

describe("concurrency of a start", () => {
  const withText = (postgresql_conf: string) =>
    decode({ ...minimal, cluster: { roles: [], databases: [], postgresql_conf } })
  const withSetting = (value: string) =>
    decode({
      ...minimal,
      cluster: { roles: [], databases: [], settings: [{ name: "max_connections", value, vartype: "integer" }] }
    })

  it("follows max_connections", () => {
    assert.deepStrictEqual(
      [5, 10, 29, 30, 100, 299, 300, 5000].map((n) => startConcurrency(withSetting(String(n)))),
      [5, 10, 10, 10, 33, 99, 100, 100]
    )
    assert.strictEqual(startConcurrency(decode(minimal)), 10)
  })

  it("reads the configuration text, whose last line wins", () => {
    assert.strictEqual(maxConnections(withText("max_connections=7\nmax_connections = 9\n#max_connections=1")), 9)
    assert.isNull(maxConnections(withText("superuser_max_connections=7")))
  })
})
