import { describe, expect, it } from "@effect/vitest"
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
        expect(answer.status).toBe("running")
        expect(answer.error).toBeNull()
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
        expect(refused.message).toBe('compute configuration failed: "role \\"x\\" is gone"')
        expect(yield* status).toBe("failed")
        const answer = yield* configure(parsed.spec)
        expect(answer.status).toBe("running")
        expect(answer.error).toBeNull()
      })
    )
  })

  it.effect("takes a defect for a failure", () =>
    configuring(
      { reconfigure: Effect.die(new Error("boom")) },
      Effect.gen(function* () {
        const refused = yield* Effect.flip(configure(parsed.spec))
        expect(refused.message).toContain("boom")
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
      expect(yield* status).toBe("configuration")
      yield* Fiber.interrupt(fiber)
      expect((yield* Fiber.join(caller)).message).toContain("Postgres ended")
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
      expect((yield* Fiber.join(caller)).message).toContain("Postgres has ended")
    }).pipe(Effect.provide(basics))
  )

  it.effect("does what was pending before it began to watch", () =>
    Effect.gen(function* () {
      yield* running(parsed)
      yield* requestRefresh
      const fiber = yield* Effect.forkChild(configurator)
      yield* settle
      expect(yield* status).toBe("running")
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
            expect(yield* status).toBe(paused)
            yield* TestClock.adjust("500 millis")
            yield* settle
          }
          expect(tries).toBeGreaterThanOrEqual(7)
          expect(tries).toBeLessThanOrEqual(9)
          // Only by being refused Postgres learns that nothing comes of it.
          expect(refused).toBe(lakebaseMode ? 79 : 0)
          expect(yield* counter("pg_cctl_pagestream_request_errors_total")).toContain(" 80")
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
        expect(yield* status).toBe("running")
        expect((yield* configure(parsed.spec)).status).toBe("running")
        yield* requestRefresh
        yield* requestRefresh
        yield* settle
        expect(tries).toBe(1)
        expect(yield* status).toBe("refresh_configuration_pending")
        yield* TestClock.adjust("5 seconds")
        yield* settle
        expect(tries).toBe(2)
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
        expect(yield* status).toBe("refresh_configuration")
        yield* state.transition("terminate fast")
        yield* Deferred.await(interrupted)
        expect(yield* status).toBe("termination_pending_fast")
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
        expect(refused.message).toBe("Cannot refresh compute configuration in state Configuration")
        expect(yield* counter("pg_cctl_pagestream_request_errors_total")).toContain(" 1")
      })
    )
  )

  it.effect("takes a refresh during the start for nothing", () =>
    Effect.gen(function* () {
      const state = yield* ComputeState
      yield* state.transition("spec at start", () => ({ spec: parsed }))
      yield* requestRefresh
      expect(yield* status).toBe("init")
    }).pipe(Effect.provide(basics))
  )
})
