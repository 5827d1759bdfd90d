import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { ComputeState } from "../../../../src/layers/compute/ComputeState.ts"
import { giveBack, type Memory } from "../../../../src/layers/machine/process/Memory.ts"
import { basics } from "../../../programs/fakes.ts"

const MB = 1024 * 1024

/** A process of this size, of which `kept` is of no use. */
const process = (used: number, kept: number) => {
  const now = { used, kept, busy: 0, trims: 0 }
  const memory: Memory = {
    resident: () => now.used + now.kept,
    busy: () => now.busy,
    trim: Effect.sync(() => {
      now.trims += 1
      now.kept = 0
    })
  }
  return { now, memory }
}

const watched = <A>(
  test: (now: ReturnType<typeof process>["now"], wait: Effect.Effect<void>) => Effect.Effect<A, unknown, ComputeState>
) =>
  Effect.gen(function* () {
    const { memory, now } = process(80 * MB, 20 * MB)
    yield* Effect.forkScoped(giveBack(memory))
    return yield* test(now, TestClock.adjust("10 seconds"))
  }).pipe(Effect.scoped, Effect.provide(basics))

const started = Effect.flatMap(ComputeState, ({ transition }) => transition("spec at start"))

describe("memory", () => {
  it.effect("goes back once after the start, and again when there is more of it", () =>
    watched((now, wait) =>
      Effect.gen(function* () {
        yield* started
        yield* wait
        assert.deepStrictEqual([now.trims, now.kept], [1, 0])
        now.kept = 30 * MB
        yield* wait
        assert.deepStrictEqual([now.trims, now.kept], [2, 0])
      })
    )
  )

  it.effect("stays while there is work to do", () =>
    watched((now, wait) =>
      Effect.gen(function* () {
        yield* started
        now.busy = 0.9
        yield* wait
        assert.strictEqual(now.trims, 0)
        now.busy = 0
        yield* wait
        assert.strictEqual(now.trims, 1)
      })
    )
  )

  it.effect("stays with a compute that waits for its spec", () =>
    watched((now, wait) => Effect.map(wait, () => assert.strictEqual(now.trims, 0)))
  )
})
