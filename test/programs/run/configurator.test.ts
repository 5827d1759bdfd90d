import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { ComputeState } from "../../../src/layers/compute/ComputeState.ts"
import { configurator } from "../../../src/programs/run/configurator.ts"
import { configure } from "../../../src/programs/run/configure.ts"
import { OperationFailed } from "../../../src/programs/run/errors.ts"
import { Reconfiguration } from "../../../src/programs/run/reconfigure.ts"
import { Refresh, type Refreshed, requestRefresh } from "../../../src/programs/run/refresh.ts"
import { basics, counter, fake, options, running, settle, spec } from "../fakes.ts"

const parsed = spec()
const failure = new OperationFailed({ message: 'role "x" is gone' })

/** A running compute with its configurator, whose work ends as given. */
const configuring = <A, E>(
  work: {
    readonly reconfigure?: Effect.Effect<unknown, Error>
    readonly refresh?: Effect.Effect<Refreshed, Error>
    readonly lakebaseMode?: boolean
  },
  test: Effect.Effect<A, E, Layer.Success<typeof basics>>
) =>
  Effect.gen(function* () {
    yield* running(parsed)
    const fiber = yield* Effect.forkChild(configurator)
    yield* settle
    yield* test
    yield* Fiber.interrupt(fiber)
  }).pipe(
    Effect.provide(
      Layer.mergeAll(
        basics,
        options({ lakebaseMode: work.lakebaseMode ?? false }),
        fake(Reconfiguration, { run: () => (work.reconfigure ?? Effect.never) as never }),
        fake(Refresh, { run: work.refresh ?? Effect.never })
      )
    )
  )

const status = Effect.flatMap(ComputeState, (state) => Effect.map(state.get, (current) => current.status))

describe("configurator", () => {
  it.effect("answers /configure when the reconfiguration is done", () =>
    configuring(
      { reconfigure: Effect.void },
      Effect.gen(function* () {
        const answer = yield* configure(parsed.spec)
        assert.strictEqual(answer.status, "running")
        assert.isNull(answer.error)
      })
    )
  )

  it.effect("answers with the cause of a failure, which is no trap", () => {
    let tries = 0
    const reconfigure = Effect.suspend(() => (tries++ === 0 ? Effect.fail(failure) : Effect.void))
    return configuring(
      { reconfigure },
      Effect.gen(function* () {
        const refused = yield* Effect.flip(configure(parsed.spec))
        assert.strictEqual(refused.message, 'compute configuration failed: "role \\"x\\" is gone"')
        assert.strictEqual(yield* status, "failed")
        const answer = yield* configure(parsed.spec)
        assert.strictEqual(answer.status, "running")
        assert.isNull(answer.error)
      })
    )
  })

  it.effect("takes a defect for a failure", () =>
    configuring(
      { reconfigure: Effect.die(new Error("boom")) },
      Effect.gen(function* () {
        const refused = yield* Effect.flip(configure(parsed.spec))
        assert.include(refused.message, "boom")
      })
    )
  )

  it.effect("leaves a failed status behind when it is interrupted at work", () =>
    Effect.gen(function* () {
      yield* running(parsed)
      const caller = yield* Effect.forkChild(Effect.flip(configure(parsed.spec)))
      yield* settle
      const fiber = yield* Effect.forkChild(configurator)
      yield* settle
      assert.strictEqual(yield* status, "configuration")
      yield* Fiber.interrupt(fiber)
      assert.include((yield* Fiber.join(caller)).message, "Postgres ended")
    }).pipe(
      Effect.provide(
        Layer.mergeAll(
          basics,
          options(),
          fake(Reconfiguration, { run: () => Effect.never }),
          fake(Refresh, { run: Effect.never })
        )
      )
    )
  )

  it.effect("answers a caller whose configuration nobody took up before Postgres was gone", () =>
    Effect.gen(function* () {
      yield* running(parsed)
      const state = yield* ComputeState
      const caller = yield* Effect.forkChild(Effect.flip(configure(parsed.spec)))
      yield* settle
      yield* state.update(() => ({ postgresRuns: false }))
      assert.include((yield* Fiber.join(caller)).message, "Postgres has ended")
    }).pipe(Effect.provide(basics))
  )

  it.effect("does what was pending before it began to watch", () =>
    Effect.gen(function* () {
      yield* running(parsed)
      yield* requestRefresh
      const fiber = yield* Effect.forkChild(configurator)
      yield* settle
      assert.strictEqual(yield* status, "running")
      yield* Fiber.interrupt(fiber)
    }).pipe(
      Effect.provide(
        Layer.mergeAll(
          basics,
          options(),
          fake(Reconfiguration, {}),
          fake(Refresh, { run: Effect.succeed("reconfigured" as const) })
        )
      )
    )
  )

  it.effect.each([false, true])(
    "asks a control plane that fails once in five seconds, however often it is asked to (lakebase: %s)",
    (lakebaseMode) => {
      let tries = 0
      let refused = 0
      const refresh = Effect.suspend(() => {
        tries += 1
        return Effect.fail(failure)
      })
      return configuring(
        { refresh, lakebaseMode },
        Effect.gen(function* () {
          for (let request = 0; request < 80; request++) {
            const answer = yield* Effect.result(requestRefresh)
            if (answer._tag === "Failure") refused += 1
            yield* settle
            const paused = lakebaseMode ? "refresh_configuration" : "refresh_configuration_pending"
            assert.strictEqual(yield* status, paused)
            yield* TestClock.adjust("500 millis")
            yield* settle
          }
          assert.isAtLeast(tries, 7)
          assert.isAtMost(tries, 9)
          // Only by being refused Postgres learns that nothing comes of it.
          assert.strictEqual(refused, lakebaseMode ? 79 : 0)
          assert.include(yield* counter("pg_cctl_pagestream_request_errors_total"), " 80")
        })
      )
    }
  )

  it.effect("rests five seconds after a refresh that found nothing new, but not from /configure", () => {
    let tries = 0
    const refresh = Effect.sync(() => {
      tries += 1
      return "unchanged" as const
    })
    return configuring(
      { refresh, reconfigure: Effect.void },
      Effect.gen(function* () {
        yield* requestRefresh
        yield* settle
        assert.strictEqual(yield* status, "running")
        assert.strictEqual((yield* configure(parsed.spec)).status, "running")
        yield* requestRefresh
        yield* requestRefresh
        yield* settle
        assert.strictEqual(tries, 1)
        assert.strictEqual(yield* status, "refresh_configuration_pending")
        yield* TestClock.adjust("5 seconds")
        yield* settle
        assert.strictEqual(tries, 2)
      })
    )
  })

  it.effect("gives up a refresh for a termination", () => {
    const interrupted = Deferred.makeUnsafe<void>()
    const refresh = Effect.never.pipe(Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined)))
    return configuring(
      { refresh },
      Effect.gen(function* () {
        const state = yield* ComputeState
        yield* requestRefresh
        yield* settle
        assert.strictEqual(yield* status, "refresh_configuration")
        yield* state.transition("terminate fast")
        yield* Deferred.await(interrupted)
        assert.strictEqual(yield* status, "termination_pending_fast")
      })
    )
  })

  it.effect("refuses a refresh while it configures, and takes one during the start for nothing", () =>
    configuring(
      {},
      Effect.gen(function* () {
        const state = yield* ComputeState
        yield* state.transition("configure")
        yield* settle
        const refused = yield* Effect.flip(requestRefresh)
        assert.strictEqual(refused.message, "Cannot refresh compute configuration in state Configuration")
        assert.include(yield* counter("pg_cctl_pagestream_request_errors_total"), " 1")
      })
    )
  )

  it.effect("takes a refresh during the start for nothing", () =>
    Effect.gen(function* () {
      const state = yield* ComputeState
      yield* state.transition("spec at start", () => ({ spec: parsed }))
      yield* requestRefresh
      assert.strictEqual(yield* status, "init")
    }).pipe(Effect.provide(basics))
  )
})
