import { describe, expect, it } from "@effect/vitest"
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
      for (const [other, later] of order.entries()) expect(overrides(later, reason)).toBe(other > at)
    }
    expect(overrides({ _tag: "Detached" }, fast)).toBe(false)
  })

  it.effect("wake who waits for an escalation", () =>
    Effect.gen(function* () {
      const stops = yield* StopRequests
      const escalated = yield* Effect.forkChild(
        stops.awaitMatching((reason) => reason._tag === "Signal" && reason.immediate)
      )
      yield* stops.request(fast)
      expect(yield* stops.await).toEqual(fast)
      yield* stops.request(quit)
      expect(yield* Fiber.join(escalated)).toEqual(quit)
      yield* stops.request(immediate)
      expect(yield* stops.current).toEqual(quit)
    }).pipe(Effect.provide(StopRequests.layer))
  )
})
