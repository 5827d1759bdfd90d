import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { fromBigInt, type Lsn } from "../../../src/domain/spec/Lsn.ts"
import { nextPause, pauseAfter } from "../../../src/domain/storage/BasebackupTries.ts"
import { ComputeState } from "../../../src/layers/compute/ComputeState.ts"
import { Waits } from "../../../src/layers/compute/Waits.ts"
import { decodeVariables, Variables } from "../../../src/layers/machine/process/Variables.ts"
import { BadBasebackup, DataDirectory } from "../../../src/layers/postgres/dataDirectory/DataDirectory.ts"
import { Pageserver, PageserverFailed } from "../../../src/layers/storage/pageserver/Pageserver.ts"
import { connectForBasebackup } from "../../../src/programs/start/basebackup.ts"
import { basics, counter, fake, settle, spec } from "../fakes.ts"

const basebackup = (...[given, lsn]: [...Parameters<typeof connectForBasebackup>, Lsn]) =>
  Effect.scoped(Effect.flatMap(connectForBasebackup(given), (take) => take(lsn)))

const PS = "postgresql://no_user@ps-1:6400"
const LSN = fromBigInt(0x1800000n)
const down = new PageserverFailed({ message: "db error: FATAL: disk", healing: "passing", code: "58030" })
const refused = new PageserverFailed({ message: "db error: ERROR: Unauthorized: x", healing: "never", code: "XX000" })
const missing = new PageserverFailed({ message: "db error: ERROR: Not found: y", healing: "attaching", code: "XX000" })
const cut = new BadBasebackup({ message: "the archive is cut off" })

/** What each try meets: the pageserver's answer, the unpacking, or success after some milliseconds. */
type Try = PageserverFailed | BadBasebackup | number

const world = (tries: ReadonlyArray<Try>) => {
  const log: Array<string> = []
  let count = 0
  const current = () => tries[Math.min(count, tries.length) - 1] ?? 0
  const request = () =>
    Effect.suspend(() => {
      count++
      const outcome = current()
      return outcome instanceof PageserverFailed
        ? Effect.fail(outcome)
        : Effect.succeed({ bytes: Stream.make(new Uint8Array(3)), connectMicros: 1000 + count })
    })
  const logger = Logger.layer([
    Logger.make(({ message, logLevel }) => {
      log.push(`${logLevel.toUpperCase()} ${String(message)}`)
    })
  ])
  const layer = Layer.mergeAll(
    fake(Pageserver, { connectEarly: () => Effect.succeed(request) }),
    fake(DataDirectory, {
      unpack: <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
        Effect.gen(function* () {
          const outcome = current()
          if (outcome instanceof BadBasebackup) return yield* outcome
          yield* Effect.sleep(typeof outcome === "number" ? outcome : 0)
          return yield* Stream.runFold(
            bytes,
            () => 0,
            (sum, piece) => sum + piece.length
          )
        }) as never
    }),
    basics,
    logger
  )
  return { log, layer, count: () => count }
}

describe("basebackup", () => {
  it("pauses longer after each failure", () => {
    assert.deepStrictEqual(
      Array.from({ length: 10 }, (_, failures) => pauseAfter(failures)),
      [500, 750, 1125, 1687, 2531, 3796, 5695, 8542, 12814, 19221]
    )
  })

  it.effect("succeeds at the fourth try, and measures that one alone", () => {
    const { log, layer, count } = world([down, cut, down, 40])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(basebackup(spec(), LSN))
      for (const [at, tries] of [
        [499, 1],
        [1, 2],
        [749, 2],
        [1, 3],
        [1124, 3],
        [1, 4],
        [40, 4]
      ] as const) {
        yield* TestClock.adjust(at)
        yield* settle
        assert.strictEqual(count(), tries)
      }
      yield* Fiber.join(fiber)
      const { metrics } = yield* (yield* ComputeState).get
      assert.deepInclude(metrics, { basebackup_ms: 40, basebackup_bytes: 3, pageserver_connect_micros: 1004 })
      assert.deepStrictEqual(log, [
        "WARN Failed to get basebackup: db error: FATAL: disk (attempt 0/10)",
        "WARN Failed to get basebackup: the archive is cut off (attempt 1/10)",
        "WARN Failed to get basebackup: db error: FATAL: disk (attempt 2/10)"
      ])
      assert.include(yield* counter("compute_ctl_basebackup_bytes"), " 3")
    }).pipe(Effect.provide(layer))
  })

  it.effect("gives up after eleven tries", () => {
    const { layer, count } = world([down])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(basebackup(spec(), LSN)))
      yield* TestClock.adjust("2 minutes")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.message, "failed to get basebackup@0/1800000")
      assert.strictEqual(error.cause.message, down.message)
      assert.strictEqual(count(), 11)
    }).pipe(Effect.provide(layer))
  })

  it.effect("does not repeat what would be refused again", () => {
    const { layer, count, log } = world([down, refused])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(basebackup(spec(), LSN)))
      yield* TestClock.adjust(500)
      assert.strictEqual((yield* Fiber.join(fiber)).cause.message, refused.message)
      assert.strictEqual(count(), 2)
      assert.strictEqual(log.length, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("asks for half a minute for what may be attached in a moment, and says so in the wait", () => {
    const { layer, count, log } = world([missing])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(basebackup(spec({ pageserver_connstring: PS }), LSN)))
      yield* TestClock.adjust("5 seconds")
      yield* settle
      assert.strictEqual(count(), 5)
      const [wait] = yield* (yield* Waits).current
      assert.include(wait?.detail, `pageserver ps-1:6400, attempt 6, last error: ${missing.message}`)
      yield* TestClock.adjust("24900 millis")
      yield* settle
      const before = count()
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).cause.message, missing.message)
      assert.strictEqual(count(), before + 1)
      assert.match(log.at(-1) ?? "", /Failed to get basebackup: .*Not found/)
    }).pipe(Effect.provide(layer))
  })

  it.effect("gets what was attached late", () => {
    const { layer, count } = world([missing, missing, missing, missing, 1])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(basebackup(spec(), LSN))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual(count(), 5)
    }).pipe(Effect.provide(layer))
  })

  it("pauses for at most three seconds while something is attached", () => {
    const pauses = Array.from({ length: 8 }, (_, at) =>
      nextPause({ healing: "attaching", failures: 20, inRow: at + 1, rowMillis: 0 })
    )
    assert.deepStrictEqual(pauses, [500, 750, 1125, 1687, 2531, 3000, 3000, 3000])
    assert.strictEqual(nextPause({ healing: "attaching", failures: 20, inRow: 9, rowMillis: 29_000 }), 1000)
    assert.isNull(nextPause({ healing: "attaching", failures: 20, inRow: 9, rowMillis: 30_000 }))
  })

  it.effect("tries as often as a test wants", () => {
    const { layer, count, log } = world([down])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(basebackup(spec(), LSN)))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.strictEqual(count(), 2)
      assert.deepStrictEqual(log, ["WARN Failed to get basebackup: db error: FATAL: disk (attempt 0/1)"])
    }).pipe(
      Effect.provideService(Variables, decodeVariables({ NEON_COMPUTE_TESTING_BASEBACKUP_RETRIES: "1" })),
      Effect.provide(layer)
    )
  })

  it.effect("ends when all of it takes too long", () => {
    const { layer } = world([24 * 3600 * 1000])
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(basebackup(spec(), LSN)))
      yield* TestClock.adjust("20 minutes")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.message, "failed to get basebackup@0/1800000")
      assert.strictEqual(error.cause._tag, "WaitExpired")
    }).pipe(Effect.provide(layer))
  })
})
