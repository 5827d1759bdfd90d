import { assert, describe, it } from "@effect/vitest"
import { keepPort, refusal } from "../../../src/domain/status/Promotion.ts"
import { spec } from "../../programs/fakes.ts"

const withConf = (text: string | null) => spec({ cluster: { roles: [], databases: [], postgresql_conf: text } }).spec
const primary = spec().spec
const replica = spec({ mode: "Replica" }).spec
const stale = spec({ mode: { Static: "0/10" } }).spec

describe("promotion", () => {
  it("is for replicas that have been prewarmed, with the spec of a primary", () => {
    assert.strictEqual(refusal(primary, { status: "skipped" }, primary), 'compute mode "primary" is not replica')
    assert.strictEqual(refusal(stale, { status: "skipped" }, primary), 'compute mode "static" is not replica')
    assert.strictEqual(refusal(replica, { status: "not_prewarmed" }, primary), "compute NotPrewarmed")
    assert.strictEqual(refusal(replica, { status: "prewarming" }, primary), "compute Prewarming")
    assert.include(refusal(replica, { status: "skipped" }, replica) ?? "", '"replica" is not primary')
    for (const status of ["skipped", "cancelled"] as const) assert.isNull(refusal(replica, { status }, primary))
    assert.isNull(refusal(replica, { status: "failed", error: "x" }, primary))
  })

  it("keeps the port that this host's Postgres listens on", () => {
    const keep = (own: string | null, wanted: string | null) =>
      keepPort(withConf(own), withConf(wanted)).cluster.postgresql_conf
    assert.strictEqual(keep("fsync=off\nport=5001\n", "fsync=off"), "fsync=off\nport=5001")
    assert.strictEqual(keep("port=5001", "port=5002\nx=1"), "port=5002\nx=1\nport=5001")
    assert.strictEqual(keep("port = 5001", "port=5001"), "port=5001")
    assert.strictEqual(keep("fsync=off", "port=5002"), "port=5002")
    assert.isNull(keep("port=5001", null))
  })
})
