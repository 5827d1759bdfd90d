import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Watched from "../../../src/layers/compute/Watched.ts"

const put = <A>(watched: Watched.Watched<A>, value: A) => watched.modify(() => [undefined, value])
const turn = Effect.yieldNow.pipe(Effect.repeat({ times: 20 }))

describe("a value that others wait for", () => {
  it.effect("is there at once for who wants what it is", () =>
    Effect.gen(function* () {
      const watched = Watched.make(3)
      assert.strictEqual(yield* watched.await((value) => value === 3), 3)
    })
  )

  it.effect("wakes each who waits for what it becomes, and nobody else", () =>
    Effect.gen(function* () {
      const watched = Watched.make(0)
      const waits = (wanted: number) => Effect.forkChild(watched.await((value) => value === wanted))
      const [two, also, three] = yield* Effect.all([waits(2), waits(2), waits(3)])
      yield* turn
      yield* put(watched, 1)
      yield* put(watched, 2)
      assert.deepStrictEqual(yield* Fiber.joinAll([two, also]), [2, 2])
      yield* turn
      assert.isUndefined(three.pollUnsafe())
    })
  )

  it.effect("is what it is after the step of whoever changed it", () =>
    Effect.gen(function* () {
      const watched = Watched.make("a")
      const order: Array<string> = []
      const waiting = yield* Effect.forkChild(
        Effect.map(
          watched.await((value) => value === "b"),
          () => void order.push("woken")
        )
      )
      yield* turn
      yield* Effect.andThen(
        put(watched, "b"),
        Effect.sync(() => void order.push("changed"))
      )
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(order, ["changed", "woken"])
    })
  )

  it.effect("is changed in one step, whose result the changer gets", () =>
    Effect.gen(function* () {
      const watched = Watched.make(1)
      const step = watched.modify((value) => [`was ${value}`, value + 1])
      assert.deepStrictEqual(yield* Effect.all([step, step]), ["was 1", "was 2"])
      assert.strictEqual(yield* watched.get, 3)
    })
  )

  it.effect("tells its changes from the present one on, and nothing when it stays what it is", () =>
    Effect.gen(function* () {
      const watched = Watched.make(0)
      const seen = yield* Effect.forkChild(Stream.runCollect(Stream.take(watched.changes, 3)))
      yield* turn
      for (const value of [0, 1, 1, 2]) {
        yield* put(watched, value)
        yield* turn
      }
      assert.deepStrictEqual([...(yield* Fiber.join(seen))], [0, 1, 2])
    })
  )

  it.effect("forgets who has gone away", () =>
    Effect.gen(function* () {
      const watched = Watched.make(0)
      let asked = 0
      const waiting = yield* Effect.forkChild(
        watched.await(() => {
          asked += 1
          return false
        })
      )
      yield* turn
      yield* Fiber.interrupt(waiting)
      yield* put(watched, 1)
      yield* turn
      assert.strictEqual(asked, 1)
    })
  )
})
