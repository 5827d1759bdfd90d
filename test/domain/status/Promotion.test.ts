import { describe, expect, it } from "@effect/vitest"
import { keepPort, refusal } from "../../../src/domain/status/Promotion.ts"
import { spec } from "../../programs/fakes.ts"

const withConf = (text: string | null) => spec({ cluster: { roles: [], databases: [], postgresql_conf: text } }).spec
const primary = spec().spec
const replica = spec({ mode: "Replica" }).spec
const stale = spec({ mode: { Static: "0/10" } }).spec

describe("promotion", () => {
  it("is for replicas that have been prewarmed, with the spec of a primary", () => {
    expect(refusal(primary, { status: "skipped" }, primary)).toBe('compute mode "primary" is not replica')
    expect(refusal(stale, { status: "skipped" }, primary)).toBe('compute mode "static" is not replica')
    expect(refusal(replica, { status: "not_prewarmed" }, primary)).toBe("compute NotPrewarmed")
    expect(refusal(replica, { status: "prewarming" }, primary)).toBe("compute Prewarming")
    expect(refusal(replica, { status: "skipped" }, replica)).toContain('"replica" is not primary')
    for (const status of ["skipped", "cancelled"] as const) expect(refusal(replica, { status }, primary)).toBeNull()
    expect(refusal(replica, { status: "failed", error: "x" }, primary)).toBeNull()
  })

  it("keeps the port that this host's Postgres listens on", () => {
    const keep = (own: string | null, wanted: string | null) =>
      keepPort(withConf(own), withConf(wanted)).cluster.postgresql_conf
    expect(keep("fsync=off\nport=5001\n", "fsync=off")).toBe("fsync=off\nport=5001")
    expect(keep("port=5001", "port=5002\nx=1")).toBe("port=5002\nx=1\nport=5001")
    expect(keep("port = 5001", "port=5001")).toBe("port=5001")
    expect(keep("fsync=off", "port=5002")).toBe("port=5002")
    expect(keep("port=5001", null)).toBeNull()
  })
})
