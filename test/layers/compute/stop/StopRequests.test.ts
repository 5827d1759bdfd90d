import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { overrides, type StopReason, StopRequests } from "../../../../src/layers/compute/stop/StopRequests.ts"

const fast: StopReason = { _tag: "Terminate", mode: "fast" }
const immediate: StopReason = { _tag: "Terminate", mode: "immediate" }
const term: StopReason = { _tag: "Signal", signal: "SIGTERM", immediate: false }
const quit: StopReason = { _tag: "Signal", signal: "SIGQUIT", immediate: true }

describe("requests to stop", () => {
  it("are overtaken by more urgent ones only", () => {
    const order = [fast, immediate, term, quit]
    for (const [at, reason] of order.entries()) {
      for (const [other, later] of order.entries()) assert.strictEqual(overrides(later, reason), other > at)
    }
    assert.isFalse(overrides({ _tag: "Detached" }, fast))
  })

  it.effect("wake who waits for an escalation", () =>
    Effect.gen(function* () {
      const stops = yield* StopRequests
      const escalated = yield* Effect.forkChild(
        stops.awaitMatching((reason) => reason._tag === "Signal" && reason.immediate)
      )
      yield* stops.request(fast)
      assert.deepStrictEqual(yield* stops.await, fast)
      yield* stops.request(quit)
      assert.deepStrictEqual(yield* Fiber.join(escalated), quit)
      yield* stops.request(immediate)
      assert.deepStrictEqual(yield* stops.current, quit)
    }).pipe(Effect.provide(StopRequests.layer))
  )
})
