import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/testing/TestClock"
import { Supervisor } from "../../../src/layers/compute/Supervisor.ts"
import { Metrics } from "../../../src/layers/observe/Metrics.ts"

class Broken extends Data.TaggedError("Broken")<{ readonly message: string }> {}

const layer = Supervisor.layer.pipe(Layer.provideMerge(Metrics.layer))
const only = Effect.flatMap(Supervisor, (services) => Effect.map(services.current, (all) => all[0]))

describe("Supervisor", () => {
  it.effect("brings a failing service back with doubling, capped pauses and counts it", () =>
    Effect.gen(function* () {
      const runs = yield* Ref.make(0)
      const services = yield* Supervisor
      const failing = Ref.update(runs, (n) => n + 1).pipe(
        Effect.andThen(Effect.fail(new Broken({ message: "socket gone" })))
      )
      yield* services.run("poller", failing, { base: "1 second", cap: "4 seconds" })
      const elapse = (duration: `${number} seconds`) => TestClock.adjust(duration).pipe(Effect.andThen(Ref.get(runs)))
      yield* Effect.yieldNow
      assert.strictEqual(yield* elapse("0 seconds"), 1)
      assert.strictEqual(yield* elapse("1 seconds"), 2)
      assert.strictEqual(yield* elapse("1 seconds"), 2)
      assert.strictEqual(yield* elapse("1 seconds"), 3)
      assert.strictEqual(yield* elapse("4 seconds"), 4)
      assert.strictEqual(yield* elapse("4 seconds"), 5)
      assert.deepStrictEqual(yield* only, {
        name: "poller",
        state: "backing off",
        restarts: 5,
        lastError: "socket gone"
      })
      const text = yield* (yield* Metrics).render
      assert.include(text, 'compute_ctl_service_restarts_total{service="poller"} 5')
      assert.include(text, 'compute_ctl_service_up{service="poller"} 0')
    }).pipe(Effect.provide(layer))
  )

  it.effect("survives a defect, and starts the pauses anew after a long run", () =>
    Effect.gen(function* () {
      const runs = yield* Ref.make(0)
      const services = yield* Supervisor
      const service = Ref.getAndUpdate(runs, (n) => n + 1).pipe(
        Effect.flatMap((n) => Effect.delay(Effect.die(new Error("bug")), n === 3 ? "1 minute" : "0 seconds"))
      )
      yield* services.run("flaky", service, { base: "1 second", cap: "10 seconds" })
      yield* TestClock.adjust("0 seconds")
      yield* TestClock.adjust("7 seconds")
      assert.strictEqual(yield* Ref.get(runs), 4)
      yield* TestClock.adjust("1 minute")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Ref.get(runs), 5)
      assert.include((yield* only)?.lastError ?? "", "bug")
    }).pipe(Effect.provide(layer))
  )

  it.effect("ends with success by default, and interrupts what a new service of the same name replaces", () =>
    Effect.gen(function* () {
      const services = yield* Supervisor
      const log = yield* Ref.make<ReadonlyArray<string>>([])
      const note = (word: string) => Ref.update(log, (words) => [...words, word])
      yield* services.run(
        "one",
        note("first").pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => note("stopped"))
        )
      )
      yield* TestClock.adjust("0 seconds")
      yield* services.run("one", note("second"))
      yield* TestClock.adjust("0 seconds")
      assert.deepStrictEqual(yield* Ref.get(log), ["first", "stopped", "second"])
      assert.strictEqual((yield* only)?.state, "ended")
    }).pipe(Effect.provide(layer))
  )
})
