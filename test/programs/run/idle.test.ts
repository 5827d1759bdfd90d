import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import type { ActivityReport } from "../../../src/domain/status/Activity.ts"
import { ComputeState } from "../../../src/layers/compute/ComputeState.ts"
import { Metrics } from "../../../src/layers/observe/Metrics.ts"
import { Monitor } from "../../../src/layers/observe/Monitor.ts"
import { reasonsAgainstStopping } from "../../../src/programs/run/idle.ts"

const quiet: ActivityReport = {
  active: false,
  active_since: null,
  last_active: null,
  checked_at: "1970-01-01T00:00:00+00:00",
  monitor: "watching",
  reasons: []
}

const asked = (seconds: number, report: Partial<ActivityReport>, running = true) =>
  Effect.gen(function* () {
    const state = yield* ComputeState
    if (running) {
      yield* state.transition("spec at start")
      yield* state.transition("started", () => ({ postgresRuns: true }))
    }
    const { last_active = null } = report
    if (last_active !== null) yield* state.update(() => ({ activeAt: Date.parse(last_active) }))
    yield* TestClock.adjust("100 seconds")
    return (yield* reasonsAgainstStopping(seconds)).reasons
  }).pipe(
    Effect.provide(
      Layer.mergeAll(
        Layer.provide(ComputeState.layer, Metrics.layer),
        Layer.succeed(Monitor, {
          poll: Effect.void,
          activity: Effect.succeed(quiet),
          fresh: Effect.succeed({ ...quiet, ...report }),
          disregard: (work) => work,
          disregarding: Effect.void
        })
      )
    ),
    (rest) => Effect.andThen(TestClock.setTime(0), rest)
  )

describe("idle", () => {
  it.effect("is measured from the last activity, or from the start without one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* asked(100, {}), [])
      assert.deepStrictEqual(yield* asked(101, {}), ["idle for 100 s only"])
      assert.deepStrictEqual(yield* asked(30, { last_active: "1970-01-01T00:01:00.500+00:00" }), [])
      assert.deepStrictEqual(yield* asked(60, { last_active: "1970-01-01T00:01:00.500+00:00" }), ["idle for 39 s only"])
    })
  )

  it.effect("is not what has a reason to be up, however long ago it began", () =>
    Effect.gen(function* () {
      const since = "1970-01-01T00:00:01+00:00"
      assert.deepStrictEqual(
        yield* asked(0, {
          reasons: [
            { kind: "walsender", count: 1, since, detail: "sub1" },
            { kind: "query", count: 2, since, detail: "active" }
          ]
        }),
        [`1 replication connection (sub1) since ${since}`, `2 queries (active) since ${since}`]
      )
    })
  )

  it.effect("is not what cannot be asked; an empty compute is", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* asked(0, { monitor: "down" }), ["Postgres could not be asked whether it is idle"])
      assert.deepStrictEqual(yield* asked(1000, { monitor: "waiting" }, false), [])
    })
  )
})
