import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { ComputeState } from "../../../src/layers/compute/ComputeState.ts"
import { StopRequests } from "../../../src/layers/compute/stop/StopRequests.ts"
import { Metrics } from "../../../src/layers/observe/Metrics.ts"
import { attachedGauge, initWatchdog } from "../../../src/programs/start/lakebase.ts"
import { basics, options, running, settle, spec } from "../fakes.ts"

const lakebase = Layer.merge(basics, options({ lakebaseMode: true, instanceId: "i-1", pgInitTimeout: 60 }))

describe("lakebase mode", () => {
  it.effect("stops a compute that is not running in time", () =>
    Effect.gen(function* () {
      const state = yield* ComputeState
      const stops = yield* StopRequests
      yield* state.transition("spec at start", () => ({ spec: spec() }))
      const fiber = yield* Effect.forkChild(initWatchdog)
      yield* settle
      yield* TestClock.adjust("59 seconds")
      assert.isNull(yield* stops.current)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* stops.current, { _tag: "InitTimeout" })
    }).pipe(Effect.provide(lakebase))
  )

  it.effect("lets a running one be", () =>
    Effect.gen(function* () {
      const stops = yield* StopRequests
      yield* running(spec())
      yield* initWatchdog
      yield* TestClock.adjust("10 minutes")
      assert.isNull(yield* stops.current)
    }).pipe(Effect.provide(lakebase))
  )

  it.effect("shows whose tenant is attached once there is one", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      yield* attachedGauge
      assert.notInclude(yield* metrics.render, "pg_cctl_attached")
      yield* running(spec())
      assert.include(
        yield* metrics.render,
        'pg_cctl_attached{pg_compute_id="compute-1",pg_instance_id="i-1",tenant_id="b0554b632bd4d547a63b86c3630317e8",timeline_id="1e8a3f1d2c4b5a69788796a5b4c3d2e1"} 1'
      )
    }).pipe(Effect.scoped, Effect.provide(lakebase))
  )
})
