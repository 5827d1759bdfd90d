import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import {
  type ActivityState,
  decide,
  describeReason,
  initial,
  observe,
  report,
  rfc3339,
  type SignalRow
} from "../../../src/domain/status/Activity.ts"

const at = (iso: string) => BigInt(Date.parse(iso)) * 1000n
const T0 = at("2026-03-02T08:00:00Z")
const clock = (now: bigint): SignalRow => ({
  kind: "clock",
  detail: null,
  count: "0",
  since: String(now),
  latest: null
})
const session = (state: string, since: bigint, latest = since): SignalRow => ({
  kind: "session",
  detail: state,
  count: "1",
  since: String(since),
  latest: String(latest)
})
const other = (kind: "walsender" | "subscription" | "autovacuum", count: number): SignalRow => ({
  kind,
  detail: count === 0 ? null : "name",
  count: String(count),
  since: count === 0 ? null : String(T0),
  latest: null
})
const sums = (activeTime: string, sessions: string): SignalRow => ({
  kind: "databases",
  detail: null,
  count: sessions,
  since: null,
  latest: activeTime
})

const step = (
  state: ActivityState,
  rows: ReadonlyArray<SignalRow>,
  look: Partial<Parameters<typeof decide>[2]> = {}
) => {
  const seen = observe(rows)
  assert.isNotNull(seen)
  return decide(state, seen!, { statistics: false, ownWork: false, ...look })
}

describe("Activity", () => {
  it("is never active without a sign of users", () => {
    let state = initial
    for (let second = 0n; second < 100n; second++) {
      state = step(state, [clock(T0 + second * 1000000n), other("walsender", 0), other("autovacuum", 0)])
    }
    assert.isNull(state.lastActive)
    assert.strictEqual(report(state, "watching").active, false)
  })

  it("takes the change of state of an idle session, and keeps it", () => {
    const begin = at("2026-03-02T08:00:00Z")
    let state = step(initial, [clock(begin + 5000000n), session("idle", begin)])
    state = step(state, [clock(begin + 3600000000n), session("idle", begin)])
    assert.strictEqual(report(state, "watching").last_active, "2026-03-02T08:00:00+00:00")
    assert.strictEqual(report(state, "watching").active, false)
  })

  for (const [state, kind] of [
    ["idle in transaction", "transaction"],
    ["idle in transaction (aborted)", "transaction"],
    ["active", "query"],
    ["fastpath function call", "query"],
    ["disabled", "session"]
  ] as const) {
    it(`follows the clock while a session is ${state}`, () => {
      let activity = initial
      for (const second of [1n, 2n, 3n]) {
        activity = step(activity, [clock(T0 + second * 1000000n), session(state, T0)])
        assert.strictEqual(activity.lastActive, T0 + second * 1000000n)
      }
      assert.deepStrictEqual(report(activity, "watching").reasons, [
        { kind, count: 1, since: "2026-03-02T08:00:00+00:00", detail: state }
      ])
      assert.strictEqual(activity.activeSince, T0)
    })
  }

  for (const kind of ["walsender", "subscription", "autovacuum"] as const) {
    it(`counts a ${kind} as activity, and its absence not`, () => {
      assert.isNull(step(initial, [clock(T0), other(kind, 0)]).lastActive)
      const state = step(initial, [clock(T0), other(kind, 2)])
      assert.strictEqual(state.lastActive, T0)
      assert.strictEqual(state.reasons[0]?.kind, kind)
    })
  }

  it("takes a change of the sums for activity, in either direction, but not the first look", () => {
    const look = { statistics: true }
    let state = step(initial, [clock(T0), sums("10.0", "4")], look)
    assert.isNull(state.lastActive)
    state = step(state, [clock(T0 + 1n), sums("10.0", "4")], look)
    assert.isNull(state.lastActive)
    state = step(state, [clock(T0 + 2n), sums("10.0", "5")], look)
    assert.strictEqual(state.lastActive, T0 + 2n)
    state = step(state, [clock(T0 + 3n), sums("3.5", "5")], look)
    assert.strictEqual(state.lastActive, T0 + 3n)
    state = step(state, [clock(T0 + 4n), sums("3.5", "5")], look)
    assert.strictEqual(state.lastActive, T0 + 3n)
  })

  it("does not take our own work for activity, and measures from there", () => {
    const look = { statistics: true }
    let state = step(initial, [clock(T0), sums("0", "4")], look)
    state = step(state, [clock(T0 + 1n), sums("1", "9")], { ...look, ownWork: true })
    state = step(state, [clock(T0 + 2n), sums("1", "9")], look)
    assert.isNull(state.lastActive)
  })

  it("ignores the sums without the feature, and begins anew when it comes back", () => {
    let state = step(initial, [clock(T0), sums("0", "1")], { statistics: true })
    state = step(state, [clock(T0 + 1n)])
    state = step(state, [clock(T0 + 2n), sums("0", "2")], { statistics: true })
    assert.isNull(state.lastActive)
  })

  it("does not believe a time in the future, and never goes back", () => {
    const later = step(initial, [clock(T0), session("idle", T0 + 7200000000n)])
    assert.isNull(later.lastActive)
    const known = step(initial, [clock(T0), session("active", T0)])
    assert.strictEqual(step(known, [clock(T0 + 1n), session("idle", T0 - 5n)]).lastActive, T0)
  })

  it("says since when it is active without a pause", () => {
    let state = step(initial, [clock(T0 + 10n), session("active", T0)])
    state = step(state, [clock(T0 + 20n), session("active", T0 + 15n)])
    assert.strictEqual(state.activeSince, T0)
    state = step(state, [clock(T0 + 30n)])
    assert.isNull(state.activeSince)
    state = step(state, [clock(T0 + 40n), session("active", T0 + 35n)])
    assert.strictEqual(state.activeSince, T0 + 35n)
  })

  it("only grows, whatever is seen", () => {
    const row = fc.record({
      kind: fc.constantFrom(
        "session",
        "walsender",
        "subscription",
        "autovacuum",
        "databases"
      ) as fc.Arbitrary<"session">,
      detail: fc.option(fc.constantFrom("idle", "active", "disabled", "x")),
      count: fc.nat(3).map(String),
      since: fc.option(fc.constantFrom("1", "x", "-5", "999999999999999999999", String(T0))),
      latest: fc.option(fc.bigInt(T0 - 10n, T0 + 10n).map(String))
    })
    fc.assert(
      fc.property(fc.array(fc.array(row, { maxLength: 5 })), (rounds) => {
        let state = initial
        rounds.forEach((rows, index) => {
          const before = state.lastActive
          const now = T0 + BigInt(index)
          state = step(state, [clock(now), ...rows], { statistics: true })
          assert.isTrue(before === null || (state.lastActive !== null && state.lastActive >= before))
          assert.isTrue(state.lastActive === null || state.lastActive <= now)
        })
      })
    )
  })

  it("refuses an answer without the time", () => {
    assert.isNull(observe([]))
    assert.isNull(observe([{ ...clock(T0), since: "now" }]))
  })

  it("prints times as serde and chrono do, microseconds kept", () => {
    assert.strictEqual(rfc3339(T0), "2026-03-02T08:00:00+00:00")
    assert.strictEqual(rfc3339(T0 + 120000n), "2026-03-02T08:00:00.120+00:00")
    assert.strictEqual(rfc3339(T0 + 123456n), "2026-03-02T08:00:00.123456+00:00")
  })

  it("puts a reason into words", () => {
    const { reasons } = report(step(initial, [clock(T0 + 1n), session("idle in transaction", T0)]), "watching")
    assert.strictEqual(
      describeReason(reasons[0]!),
      "1 open transaction (idle in transaction) since 2026-03-02T08:00:00+00:00"
    )
  })
})
