import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { check, summary } from "../../../../src/domain/conf/Check.ts"
import { versions } from "../../../layers/throwAwayPostgres.ts"
import { runProgram } from "../../../rig/compute.ts"
import { confContext } from "../../../rig/confContext.ts"
import { tempDir } from "../../../rig/postgres.ts"

const spec = {
  format_version: 1,
  suspend_timeout_seconds: -1,
  cluster: { roles: [], databases: [], settings: [] },
  tenant_id: "b0554b632bd4d547a63b86c3630317e8",
  timeline_id: "1e8a3f1d2c4b5a69788796a5b4c3d2e1",
  pageserver_connstring: "postgresql://no_user:hidden@ps:6400",
  safekeeper_connstrings: ["a:1", "b:2", "c:3"],
  storage_auth_token: "secret-token"
}
const config = (more: object = {}) =>
  JSON.stringify({ spec: { ...spec, ...more }, compute_ctl_config: { jwks: { keys: [] } } })

const run = (verb: string, text: string, ...flags: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const dir = yield* tempDir("check-")
    const file = path.join(dir, "config.json")
    fs.writeFileSync(file, text)
    const running = yield* runProgram([verb, "--config", file, ...flags])
    return { code: (yield* running.ended).code, output: running.log(), file }
  })

describe("check", () => {
  it("names every fault with its path", () => {
    const text = JSON.stringify({
      spec: { ...spec, mode: "X", cluster: { roles: [{}], databases: [] } },
      compute_ctl_config: {}
    })
    const paths = Result.getOrThrow(Result.flip(check("config", text, confContext))).map(({ path }) => path)
    assert.includeMembers(paths, ["spec.mode", "spec.cluster.roles[0]", "compute_ctl_config"])
  })

  it("names every role whose password is no verifier, without the password", () => {
    const roles = ["0123456789abcdef0123456789abcdef", "hunter2", "", "SCRAM-SHA-256$4096:c2FsdA==$c3Q=:c3Y="]
    const cluster = {
      ...spec.cluster,
      roles: roles.map((encrypted_password, index) => ({ name: `r${index}`, encrypted_password }))
    }
    const faults = Result.getOrThrow(Result.flip(check("config", config({ cluster }), confContext)))
    assert.deepStrictEqual(
      faults.map(({ path }) => path),
      ["spec.cluster.roles[1].encrypted_password", "spec.cluster.roles[3].encrypted_password"]
    )
    assert.match(faults[0]?.message ?? "", /^role "r1": encrypted_password is no password verifier/)
    assert.notMatch(JSON.stringify(faults), /hunter2|c2FsdA/)
  })

  it("shows what would run, without a secret", () => {
    const lines = summary(Result.getOrThrow(check("config", config(), confContext)))
      .map((line) => line.join(" "))
      .join("\n")
    assert.match(lines, /mode primary/)
    assert.match(lines, /pageservers libpq: postgresql:\/\/no_user@ps:6400/)
    assert.notMatch(lines, /hidden|secret-token/)
  })

  it.live("refuses a Postgres that no compute runs", () =>
    Effect.gen(function* () {
      const dir = yield* tempDir("old-")
      const old = path.join(dir, "postgres")
      fs.writeFileSync(old, "#!/bin/sh\necho 'postgres (PostgreSQL) 13.4'\n", { mode: 0o755 })
      const { code, output } = yield* run("check", config(), "--pgbin", old)
      assert.strictEqual(code, 1)
      assert.include(output, `${old} is Postgres 13, and a compute runs Postgres 14 to 18`)
    })
  )

  it.live("from outside: 0 for what could be run, 1 for what could not", () =>
    Effect.gen(function* () {
      const good = yield* run("check", config())
      assert.strictEqual(good.code, 0, good.output)
      const bad = yield* run("check", config({ safekeeper_connstrings: ["a:1", "a:1"] }))
      assert.strictEqual(bad.code, 1)
      assert.include(bad.output, "spec.safekeeper_connstrings: duplicate entry in safekeeper_connstrings: a:1!")
    })
  )
})

describe.each(versions)("check with the server of version $version", ({ bin }) => {
  it.live("names every setting that it would refuse, and a library that it has not", () =>
    Effect.gen(function* () {
      const setting = (name: string, value: string, vartype = "string") => ({ name, value, vartype })
      const settings = [
        setting("work_men", "4MB"),
        setting("port", "70000", "integer"),
        setting("shared_preload_libraries", "pg_stat_statements,nowhere"),
        setting("jit", "perhaps", "bool")
      ]
      const cluster = { ...spec.cluster, settings, postgresql_conf: "max_connections = 10\nstatement_timeout = soon" }
      const pgbin = path.join(bin, "postgres")
      const { code, output } = yield* run("check", config({ cluster }), "--pgbin", pgbin)
      assert.strictEqual(code, 1)
      for (const line of [
        'spec.cluster.settings[0]: unrecognized configuration parameter "work_men"',
        'spec.cluster.settings[1]: 70000 is outside the valid range for parameter "port"',
        'spec.cluster.settings[2]: there is no library "nowhere"',
        'spec.cluster.settings[3]: parameter "jit" requires a Boolean value',
        'spec.cluster.postgresql_conf: line 2: invalid value for parameter "statement_timeout": "soon"'
      ]) {
        assert.include(output, `config.json: ${line}`)
      }
      const good = yield* run("check", config(), "--pgbin", pgbin)
      assert.strictEqual(good.code, 0, good.output)
      assert.match(good.output, /mode +primary/)
    })
  )
})

describe("check with a server that is none", () => {
  it.live("says so", () =>
    Effect.gen(function* () {
      const { code, output } = yield* run("check", config(), "--pgbin", "/nowhere/postgres")
      assert.strictEqual(code, 2)
      assert.include(output, "cannot ask /nowhere/postgres")
    })
  )
})

describe("what check and plan say of a document", () => {
  it.live("warns of commits that would wait for ever, with the path of the setting", () =>
    Effect.gen(function* () {
      const setting = { name: "synchronous_standby_names", value: "walproposer", vartype: "string" }
      const waiting = config({ cluster: { ...spec.cluster, settings: [setting] } })
      const { code, file, output } = yield* run("check", waiting)
      assert.strictEqual(code, 0)
      assert.include(output, `warning: ${file}: spec.cluster.settings[0]: synchronous_standby_names names walproposer`)
      const { warnings } = JSON.parse((yield* run("check", waiting, "--json")).output)
      assert.deepStrictEqual(
        warnings.map(({ path }: { readonly path: string }) => path),
        ["spec.cluster.settings[0]"]
      )
    })
  )

  it.live("names a misspelt member with the near name, and says all of it as JSON", () =>
    Effect.gen(function* () {
      const misspelt = config({ pageserver_constring: "postgresql://ps" })
      const says = "spec.pageserver_constring: nobody reads this member; did you mean `pageserver_connstring`?"
      const warned = yield* run("check", misspelt)
      assert.strictEqual(warned.code, 0)
      assert.include(warned.output, `warning: ${warned.file}: ${says}`)
      const planned = yield* run("plan", misspelt, "--connstr", "postgresql://cloud_admin@127.0.0.1:1/postgres")
      assert.include(planned.output, says)
      const asJson = yield* run("check", misspelt, "--json")
      const { file, ok, summary, warnings } = JSON.parse(asJson.output)
      assert.deepStrictEqual([file, ok, summary.mode, warnings.length], [asJson.file, true, "primary", 1])
      const bad = yield* run("check", config({ mode: "X" }), "--json")
      assert.strictEqual(bad.code, 1)
      assert.deepInclude(JSON.parse(bad.output), { ok: false, summary: {} })
      assert.strictEqual(JSON.parse(bad.output).faults[0].path, "spec.mode")
    })
  )
})

describe("conf", () => {
  it.live("prints the file, and nothing else", () =>
    Effect.gen(function* () {
      const { code, output } = yield* run("conf", config())
      assert.strictEqual(code, 0)
      assert.isTrue(output.startsWith("# Neon storage settings\n"))
      assert.isTrue(output.endsWith("include_if_exists = 'compute_ctl_temp_override.conf'\n"))
    })
  )
})
