import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { check } from "../../../src/domain/conf/Check.ts"
import { difference, isEmpty, type Side } from "../../../src/domain/conf/Difference.ts"
import { render } from "../../../src/domain/conf/PostgresConf.ts"
import { settingsOf, takenBy } from "../../../src/domain/conf/RestartSettings.ts"
import { confContext } from "../../rig/confContext.ts"

const setting = (name: string, value: string) => ({ name, value, vartype: "string" })

const side = (more: object = {}, cluster: object = {}): Side => {
  const spec = {
    suspend_timeout_seconds: -1,
    tenant_id: "b0554b632bd4d547a63b86c3630317e8",
    timeline_id: "1e8a3f1d2c4b5a69788796a5b4c3d2e1",
    pageserver_connstring: "postgresql://no_user:hidden@ps:6400",
    safekeeper_connstrings: ["a:1"],
    storage_auth_token: "first-token",
    cluster: {
      roles: [{ name: "app", encrypted_password: "0123456789abcdef0123456789abcdef" }],
      databases: [{ name: "app", owner: "app" }],
      settings: [setting("max_connections", "100"), setting("work_mem", "4MB")],
      ...cluster
    },
    ...more
  }
  const text = JSON.stringify({ spec, compute_ctl_config: { jwks: { keys: [] } } })
  const checked = Result.getOrThrow(check("config", text, confContext))
  if (checked.spec === null) throw new Error("no spec")
  return {
    config: checked.config,
    spec: checked.spec.spec,
    conf: Result.getOrThrow(render(checked.spec.spec, confContext))
  }
}

describe("the difference between two configurations", () => {
  it("is nothing for the same one", () => {
    assert.isTrue(isEmpty(difference(side(), side({ operation_uuid: "another" }))))
  })

  it("tells what a reload takes from what waits for a restart", () => {
    const settings = [setting("max_connections", "200"), setting("work_mem", "8MB"), setting("pgaudit.log", "all")]
    const found = difference(side(), side({}, { settings }))
    assert.deepStrictEqual(
      found.settings.map(({ from, taken_by, to, what }) => [what, from, to, taken_by]),
      [
        ["max_connections", "100", "200", "restart"],
        ["work_mem", "4MB", "8MB", "reload"],
        ["pgaudit.log", null, "all", "extension"]
      ]
    )
  })

  it("names roles, databases, operations and peers; what is left out of a list stays", () => {
    const next = side(
      {
        safekeeper_connstrings: ["a:1", "b:2"],
        storage_auth_token: "second-token",
        delta_operations: [{ action: "delete_role", name: "old" }]
      },
      {
        roles: [{ name: "new", options: [{ name: "createdb", value: null, vartype: "bool" }] }],
        databases: [{ name: "app", owner: "new" }]
      }
    )
    const found = difference(side(), next)
    assert.deepStrictEqual(found.roles, [{ what: "new", from: null, to: "created with createdb" }])
    assert.deepStrictEqual(found.databases, [{ what: "app: owner", from: "app", to: "new" }])
    assert.deepStrictEqual(found.operations, ['delete_role "old"'])
    assert.deepStrictEqual(
      found.peers.map(({ what }) => what),
      ["safekeeper_connstrings", "storage_auth_token"]
    )
    assert.deepStrictEqual(found.others, [])
  })

  it("shows no secret", () => {
    const found = difference(
      side(),
      side(
        { storage_auth_token: "second-token", pageserver_connstring: "postgresql://no_user:secret2@ps:6400" },
        { roles: [{ name: "app", encrypted_password: "fedcba9876543210fedcba9876543210" }] }
      )
    )
    assert.deepStrictEqual(found.roles, [{ what: "app: password", from: "(hidden)", to: "(hidden), another" }])
    assert.notMatch(JSON.stringify(found), /first-token|second-token|secret2|hidden@|0123456789|9876543210/)
  })
})

it("a postgresql.conf is read as Postgres reads it", () => {
  const text =
    "# work_mem = 1\nWork_Mem = 4MB # why\nwork_mem '8MB'\nname = 'it''s'\ninclude_if_exists = 'x'\nnothing\n"
  assert.deepStrictEqual(
    [...settingsOf(text)],
    [
      ["work_mem", "8MB"],
      ["name", "it's"]
    ]
  )
  assert.deepStrictEqual(["port", "jit", "neon.tenant_id", "neon.safekeepers", "pgaudit.log"].map(takenBy), [
    ...["restart", "reload", "restart", "reload", "extension"]
  ])
})
