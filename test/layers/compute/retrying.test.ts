import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { retrying, type Tries } from "../../../src/layers/compute/retrying.ts"
import { Waits } from "../../../src/layers/compute/Waits.ts"
import { basics } from "../../programs/fakes.ts"

/** Fails with each message in turn, half a second after it began, and then succeeds. */
const failing = (...messages: ReadonlyArray<string>) => {
  let count = 0
  return Effect.suspend(() => {
    const message = messages[count++]
    return Effect.delay(message === undefined ? Effect.succeed(count) : Effect.fail({ message }), 500)
  })
}

const details = Effect.flatMap(Waits, ({ current }) =>
  Effect.map(current, (all) => all.map(({ detail, name }) => `${name}: ${detail}`))
)

const tries = (log: Array<string> = []) => ({
  whom: "store 10.0.0.1:80",
  attempts: 3,
  schedule: Schedule.exponential("1 second"),
  failed: ({ error, failures, pause }: { error: { message: string }; failures: number; pause: Duration.Duration }) =>
    Effect.sync(() => void log.push(`${failures} ${error.message} ${Duration.toMillis(pause)}`))
})

describe("retrying", () => {
  it.effect("the wait tells whom it asks, which try this is and what the last one ended with", () =>
    Effect.gen(function* () {
      const waits = yield* Waits
      const log: Array<string> = []
      const work = failing("no answer", "password=hunter2 refused").pipe(retrying(tries(log)))
      const fiber = yield* Effect.forkChild(
        waits.openEnded("a thing")(Effect.andThen(work, Effect.delay(Effect.void, 1000)))
      )
      const seen: Array<ReadonlyArray<string>> = []
      for (const millis of [1, 499, 999, 501, 2000, 500]) {
        yield* TestClock.adjust(millis)
        seen.push(yield* details)
      }
      assert.deepStrictEqual(seen, [
        ["a thing: store 10.0.0.1:80, attempt 1/3"],
        ["a thing: store 10.0.0.1:80, attempt 2/3, last error: no answer"],
        ["a thing: store 10.0.0.1:80, attempt 2/3, last error: no answer"],
        ["a thing: store 10.0.0.1:80, attempt 3/3, last error: password=<redacted> refused"],
        ["a thing: store 10.0.0.1:80, attempt 3/3, last error: password=<redacted> refused"],
        // What the wait does next is another thing.
        ["a thing: null"]
      ])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(log, ["1 no answer 1000", "2 password=hunter2 refused 2000"])
    }).pipe(Effect.provide(basics))
  )

  it.effect("where each try is a wait of its own, that one tells it", () =>
    Effect.gen(function* () {
      const waits = yield* Waits
      const work = waits
        .within(
          "a run",
          "1 minute"
        )(failing("lost"))
        .pipe(retrying({ ...tries(), attempts: null }))
      const fiber = yield* Effect.forkChild(work)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* details, ["a run: store 10.0.0.1:80, attempt 1"])
      yield* TestClock.adjust(1500)
      assert.deepStrictEqual(yield* details, ["a run: store 10.0.0.1:80, attempt 2, last error: lost"])
      yield* TestClock.adjust(500)
      assert.strictEqual(yield* Fiber.join(fiber), 2)
    }).pipe(Effect.provide(basics))
  )

  it.effect("the last try's error is the end: too many, none that passes, or no further turn of the schedule", () =>
    Effect.gen(function* () {
      const ended = (options: Partial<Tries<{ message: string }, never>>) =>
        Effect.gen(function* () {
          const log: Array<string> = []
          const work = failing("one", "two", "three", "four").pipe(retrying({ ...tries(log), ...options }))
          const fiber = yield* Effect.forkChild(Effect.flip(work))
          yield* TestClock.adjust("1 minute")
          return [log.length, (yield* Fiber.join(fiber)).message] as const
        })
      assert.deepStrictEqual(yield* ended({}), [2, "three"])
      assert.deepStrictEqual(yield* ended({ passing: ({ message }) => message === "one" }), [1, "two"])
      assert.deepStrictEqual(yield* ended({ attempts: null, schedule: Schedule.recurs(1) }), [1, "two"])
      assert.deepStrictEqual(yield* ended({ attempts: 1 }), [0, "one"])
    })
  )
})
