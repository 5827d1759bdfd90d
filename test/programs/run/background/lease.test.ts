import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { ComputeState } from "../../../../src/layers/compute/ComputeState.ts"
import { Pageserver, PageserverFailed } from "../../../../src/layers/storage/pageserver/Pageserver.ts"
import { keepLease } from "../../../../src/programs/run/background/lease.ts"
import { basics, counter, fake, running, settle, spec } from "../../fakes.ts"

const parsed = spec({ mode: { Static: "0/10" } })
const broken = new PageserverFailed({ message: "reset", healing: "passing", code: null })

/** Runs the lease with these answers in turn (`null` refuses, an error fails) and notes when each request came. */
const leasing = (
  answers: ReadonlyArray<number | null | PageserverFailed>,
  check: (times: ReadonlyArray<number>) => Effect.Effect<void, Error, never>,
  advance: ReadonlyArray<string>
) => {
  const times: Array<number> = []
  const pageserver = fake(Pageserver, {
    leaseLsn: () =>
      Effect.clockWith((clock) =>
        Effect.gen(function* () {
          const now = yield* clock.currentTimeMillis
          const answer = answers[Math.min(times.length, answers.length - 1)] ?? null
          times.push(now)
          return yield* answer instanceof PageserverFailed
            ? answer
            : Effect.succeed(answer === null ? null : now + answer)
        })
      )
  })
  return Effect.gen(function* () {
    yield* running(parsed)
    const fiber = yield* Effect.forkChild(keepLease)
    yield* settle
    for (const step of advance) {
      yield* TestClock.adjust(step as never)
      yield* settle
    }
    yield* check(times)
    yield* Fiber.interrupt(fiber)
  }).pipe(Effect.provide(Layer.merge(basics, pageserver)))
}

describe("the LSN of a static compute", () => {
  it.effect("is leased again a minute before the lease ends", () =>
    leasing([600_000], (times) => Effect.sync(() => assert.deepStrictEqual(times, [0, 540_000])), [
      "539 seconds",
      "1 second"
    ])
  )

  it.effect("is asked for again after a failure, sooner at first", () =>
    leasing([broken, broken, 600_000], (times) => Effect.sync(() => assert.deepStrictEqual(times, [0, 500, 1250])), [
      "500 millis",
      "750 millis",
      "1 minute"
    ])
  )

  it.effect("is asked for again each minute after a refusal", () =>
    leasing([null, 600_000], (times) => Effect.sync(() => assert.deepStrictEqual(times, [0, 60_000])), ["60 seconds"])
  )

  it.effect("does not spin when a lease has expired before it arrives", () =>
    leasing([-1000], (times) => Effect.sync(() => assert.deepStrictEqual(times, [0, 1000, 2000])), [
      "1 second",
      "1 second"
    ])
  )

  it.effect("is leased at once on pageservers that a new spec names", () => {
    const asked: Array<string> = []
    const pageserver = fake(Pageserver, {
      leaseLsn: (given) =>
        Effect.clockWith((clock) =>
          Effect.map(clock.currentTimeMillis, (now) => {
            asked.push(given.pageserver.shards["0000"]?.pageservers[0]?.libpq_url ?? "")
            return now + 600_000
          })
        )
    })
    return Effect.gen(function* () {
      yield* running(parsed)
      const state = yield* ComputeState
      const fiber = yield* Effect.forkChild(keepLease)
      yield* settle
      yield* state.update(() => ({ spec: spec({ mode: { Static: "0/10" }, format_version: 1.0 }) }))
      yield* settle
      assert.deepStrictEqual(asked, ["postgresql://ps-a"])
      yield* state.update(() => ({
        spec: spec({ mode: { Static: "0/10" }, pageserver_connstring: "postgresql://ps-b" })
      }))
      yield* settle
      assert.deepStrictEqual(asked, ["postgresql://ps-a", "postgresql://ps-b"])
      assert.include(yield* counter('compute_ctl_lsn_lease_requests_total{outcome="ok"}'), " 2")
      assert.include(yield* counter("compute_ctl_lsn_lease_expiry_timestamp_seconds"), " 600")
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(Layer.merge(basics, pageserver)))
  })
})
