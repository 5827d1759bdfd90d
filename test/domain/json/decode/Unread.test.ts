import { assert, describe, it } from "@effect/vitest"
import { near } from "../../../../src/domain/json/decode/near.ts"
import { unread } from "../../../../src/domain/json/decode/Unread.ts"
import { ComputeConfig } from "../../../../src/domain/spec/ComputeConfig.ts"

const cluster = { roles: [], databases: [], settings: [] }

describe("members that nobody reads", () => {
  it("are named with their path and the near name, at every level", () => {
    const found = unread(ComputeConfig, {
      spec: {
        pageserver_constring: "x",
        cluster: { rolls: [], ...cluster, roles: [{ name: "a", encrypted_pasword: "x" }] },
        pageserver_connection_info: { shard_count: 0, shards: { "0000": { pageservers: [{ id: 1, libpqurl: "x" }] } } },
        remote_extensions: { library_index: { anything: "goes" }, extension_data: { pgx: { control: {} } } },
        completely_different: 1
      },
      compute_ctl_config: { jwks: { keys: [{ kty: "of any shape" }] }, tls: { keypath: "x", cert_path: "x" } },
      specs: {}
    })
    assert.deepStrictEqual(
      found.map(({ near, path }) => [path, near]),
      [
        ["spec.pageserver_constring", "pageserver_connstring"],
        ["spec.cluster.rolls", "roles"],
        ["spec.cluster.roles[0].encrypted_pasword", "encrypted_password"],
        ["spec.pageserver_connection_info.shards.0000.pageservers[0].libpqurl", "libpq_url"],
        ["spec.remote_extensions.extension_data.pgx.control", null],
        ["spec.completely_different", null],
        ["compute_ctl_config.tls.keypath", "key_path"],
        ["specs", "spec"]
      ]
    )
  })

  it("are not looked for where a shape is free, or read by hand", () => {
    const spec = { cluster, mode: { Static: "0/1" }, pgbouncer_settings: { any: "thing" } }
    assert.deepStrictEqual(unread(ComputeConfig, { spec }), [])
  })

  it("are a hundred at most", () => {
    const spec = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`x${index}`, index]))
    assert.lengthOf(unread(ComputeConfig, { spec }), 100)
  })
})

it("a name is near when a quarter of it differs, and a long word is near none", () => {
  assert.strictEqual(near("Mode", ["mode", "node"]), "mode")
  assert.isNull(near("colour", ["mode", "roles"]))
  assert.isNull(near("x".repeat(100_000), ["x".repeat(64)]))
})
