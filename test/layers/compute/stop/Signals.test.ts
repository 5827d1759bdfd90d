import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { handleReload, handleSignals } from "../../../../src/layers/compute/stop/Signals.ts"
import { StopRequests } from "../../../../src/layers/compute/stop/StopRequests.ts"
import type { RunningPostgres } from "../../../../src/layers/postgres/Postmaster.ts"
import { Postmaster } from "../../../../src/layers/postgres/Postmaster.ts"
import { fake, settle } from "../../../programs/fakes.ts"

const NUMBERS = { SIGTERM: 15, SIGINT: 2, SIGQUIT: 3, SIGPWR: 30, SIGHUP: 1, SIGUSR1: 10 } as const

/** Those who have come to listen to a signal since then: the test's own runtime hears some of them, too. */
const heard = <A, E, R>(listen: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const signals = Object.keys(NUMBERS) as ReadonlyArray<keyof typeof NUMBERS>
    const before = new Map(signals.map((signal) => [signal, new Set(process.listeners(signal))]))
    yield* listen
    return (signal: keyof typeof NUMBERS) =>
      Effect.andThen(
        Effect.sync(() => {
          const ours = process.listeners(signal).filter((listener) => before.get(signal)?.has(listener) === false)
          assert.isNotEmpty(ours, `nobody hears ${signal}`)
          for (const listener of ours) Reflect.apply(listener, process, [signal, NUMBERS[signal]])
        }),
        settle
      )
  })

const quietly = Effect.provide(Logger.layer([]))

describe("signals", () => {
  for (const [signals, immediate] of [
    [["SIGTERM"], false],
    [["SIGINT"], false],
    [["SIGPWR"], false],
    [["SIGQUIT"], true],
    [["SIGTERM", "SIGINT"], true],
    [["SIGINT", "SIGINT"], true],
    [["SIGUSR1", "SIGHUP", "SIGTERM"], false]
  ] as const) {
    it.effect(`${signals.join(", ")}: Postgres is stopped ${immediate ? "at once" : "in order"}`, () =>
      Effect.gen(function* () {
        const stops = yield* StopRequests
        const send = yield* heard(handleSignals)
        for (const signal of signals) yield* send(signal)
        const reason = yield* stops.current
        assert.deepInclude(reason, { _tag: "Signal", immediate })
      }).pipe(Effect.provide(StopRequests.layer), quietly)
    )
  }

  it.effect("without a meaning ask for nothing", () =>
    Effect.gen(function* () {
      const stops = yield* StopRequests
      const send = yield* heard(handleSignals)
      for (const signal of ["SIGUSR1", "SIGHUP", "SIGUSR1"] as const) yield* send(signal)
      assert.isNull(yield* stops.current)
    }).pipe(Effect.provide(StopRequests.layer), quietly)
  )

  it.effect("are nobody's any more when the scope has closed", () =>
    Effect.gen(function* () {
      const before = process.listenerCount("SIGPWR")
      yield* Effect.scoped(handleSignals)
      assert.strictEqual(process.listenerCount("SIGPWR"), before)
    }).pipe(Effect.provide(StopRequests.layer), quietly)
  )

  it.effect("to reload reach the Postgres that runs, if there is one", () => {
    let current: RunningPostgres | null = null
    let reloads = 0
    const postgres = {
      reload: Effect.sync(() => {
        reloads += 1
        return true
      })
    } as RunningPostgres
    return Effect.gen(function* () {
      const send = yield* heard(handleReload)
      yield* send("SIGHUP")
      assert.strictEqual(reloads, 0)
      current = postgres
      yield* send("SIGHUP")
      assert.strictEqual(reloads, 1)
    }).pipe(Effect.provide(fake(Postmaster, { current: Effect.sync(() => current) })), quietly)
  })
})
