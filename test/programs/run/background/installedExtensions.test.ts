import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import type { ParsedSpec } from "../../../../src/domain/spec/ParsedSpec.ts"
import { Catalog } from "../../../../src/layers/catalog/Catalog.ts"
import { ComputeState } from "../../../../src/layers/compute/ComputeState.ts"
import { Monitor } from "../../../../src/layers/observe/Monitor.ts"
import { collectInstalledExtensions } from "../../../../src/programs/run/background/installedExtensions.ts"
import { basics, fake, options, running, settle, spec, sqlFailure } from "../../fakes.ts"

/** When it was looked, in seconds since the start, and what was logged. */
const watched = (atStart: ParsedSpec, failing = false) =>
  Effect.gen(function* () {
    const looks: Array<number> = []
    const log: Array<string> = []
    const catalog = fake(Catalog, {
      installedExtensions: Effect.clockWith((clock) =>
        Effect.suspend(() => {
          looks.push(clock.currentTimeMillisUnsafe() / 1000)
          return failing ? Effect.fail(sqlFailure("gone")) : Effect.succeed([])
        })
      )
    })
    const services = Layer.mergeAll(
      catalog,
      fake(Monitor, { disregard: (work) => work }),
      options({ installedExtensionsInterval: 50 }),
      Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])
    )
    yield* running(atStart)
    yield* Effect.forkScoped(Effect.provide(collectInstalledExtensions(atStart), services))
    yield* settle
    return { looks, log }
  })

const pass = (seconds: number) => Effect.andThen(TestClock.adjust(seconds * 1000), settle)

describe("installed extensions", () => {
  it.effect("of a primary are collected at once and after twice the time until it may be suspended", () =>
    Effect.gen(function* () {
      const { looks, log } = yield* watched(spec({ suspend_timeout_seconds: 300 }))
      yield* pass(599)
      assert.deepStrictEqual(looks, [0])
      yield* pass(1)
      assert.deepStrictEqual(looks, [0, 600])
      assert.deepStrictEqual(
        log.filter((line) => line.startsWith("[NEON_EXT")),
        [
          "[NEON_EXT_SPAWN] Spawning background installed extensions worker with Timeout: 600",
          "[NEON_EXT_INT_SLEEP]: Interval: 600",
          "[NEON_EXT_INT_SLEEP]: Interval: 600"
        ]
      )
    }).pipe(Effect.provide(basics))
  )

  for (const suspend_timeout_seconds of [-1, 0]) {
    it.effect(`have the default interval at ${suspend_timeout_seconds}, whatever the flag says`, () =>
      Effect.gen(function* () {
        const { looks } = yield* watched(spec({ suspend_timeout_seconds }))
        yield* pass(7199)
        assert.deepStrictEqual(looks, [0])
        yield* pass(1)
        assert.deepStrictEqual(looks, [0, 7200])
      }).pipe(Effect.provide(basics))
    )
  }

  for (const mode of ["Replica", { Static: "0/1800000" }]) {
    it.effect(`of a ${JSON.stringify(mode)} are collected first after twice the flag's interval`, () =>
      Effect.gen(function* () {
        const { looks } = yield* watched(spec({ mode, suspend_timeout_seconds: 300 }))
        yield* pass(99)
        assert.deepStrictEqual(looks, [])
        yield* pass(1)
        assert.deepStrictEqual(looks, [100])
      }).pipe(Effect.provide(basics))
    )
  }

  it.effect("follow a new spec with a longer interval, and no shorter one", () =>
    Effect.gen(function* () {
      const { looks } = yield* watched(spec({ suspend_timeout_seconds: 300 }))
      const state = yield* ComputeState
      yield* state.update(() => ({ spec: spec({ suspend_timeout_seconds: 400 }) }))
      yield* pass(600)
      yield* state.update(() => ({ spec: spec({ suspend_timeout_seconds: 30 }) }))
      yield* pass(800)
      yield* pass(799)
      assert.deepStrictEqual(looks, [0, 600, 1400])
    }).pipe(Effect.provide(basics))
  )

  it.effect("that could not be collected are looked for again no sooner", () =>
    Effect.gen(function* () {
      const { looks, log } = yield* watched(spec({ suspend_timeout_seconds: 300 }), true)
      assert.include(log, "could not get installed extensions: gone")
      yield* pass(599)
      assert.deepStrictEqual(looks, [0])
      yield* pass(1)
      assert.deepStrictEqual(looks, [0, 600])
    }).pipe(Effect.provide(basics))
  )
})
