import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { missingWalProposer } from "../../../src/domain/conf/WalProposer.ts"
import { ComputeSpec } from "../../../src/domain/spec/ComputeSpec.ts"

const setting = (name: string, value: string) => ({ name, value, vartype: "string" })
const waits = setting("synchronous_standby_names", "walproposer")

const asked = (
  settings: ReadonlyArray<object>,
  more: Readonly<Record<string, unknown>> = {},
  postgresql_conf: string | null = null
) =>
  missingWalProposer(
    Schema.decodeUnknownSync(ComputeSpec)({
      format_version: 1,
      cluster: { roles: [], databases: [], settings, postgresql_conf },
      suspend_timeout_seconds: -1,
      ...more
    })
  )?.path ?? null

describe("a standby that nobody is", () => {
  it("is named by the place of the setting that counts", () => {
    assert.strictEqual(asked([waits]), "spec.cluster.settings[0]")
    assert.strictEqual(
      asked([setting("port", "1"), setting("Synchronous_Standby_Names", 'ANY 1 (a, "walproposer")')]),
      "spec.cluster.settings[1]"
    )
    assert.strictEqual(asked([], {}, "synchronous_standby_names = 'walproposer'\n"), "spec.cluster.postgresql_conf")
    assert.strictEqual(
      asked([waits, setting("shared_preload_libraries", "neon_utils,pg_stat_statements")]),
      "spec.cluster.settings[0]"
    )
  })

  it.each<[string, string | null]>([
    ["of neon loaded", asked([waits, setting("shared_preload_libraries", "pg_stat_statements, neon")])],
    ["of neon loaded by its path", asked([waits], {}, "shared_preload_libraries = '$libdir/neon'\n")],
    ["of neon loaded by the audit's list", asked([waits], { audit_log_level: "Log" })],
    ["of a setting that a later one undoes", asked([waits, setting("synchronous_standby_names", "")])],
    ["of another name", asked([setting("synchronous_standby_names", "walproposer2, my_walproposer")])],
    ["of commits that wait for nobody", asked([waits, setting("synchronous_commit", "local")])],
    ["of a replica", asked([waits], { mode: "Replica" })],
    ["of no settings at all", asked([])]
  ])("is none because %s", (_, path) => {
    assert.isNull(path)
  })
})
