/**
 * How long an end takes, and whom it waits for, by the clock of the test.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { fromBigInt } from "../../../src/domain/spec/Lsn.ts"
import { ComputeState } from "../../../src/layers/compute/ComputeState.ts"
import { type StopReason, StopRequests } from "../../../src/layers/compute/stop/StopRequests.ts"
import { Children, type Ended } from "../../../src/layers/machine/child/Children.ts"
import { LocalProxy } from "../../../src/layers/neighbours/LocalProxy.ts"
import { PgBouncer } from "../../../src/layers/neighbours/PgBouncer.ts"
import { DataDirectory } from "../../../src/layers/postgres/dataDirectory/DataDirectory.ts"
import type { RunningPostgres } from "../../../src/layers/postgres/Postmaster.ts"
import { Safekeepers, type Synced, SyncFailed } from "../../../src/layers/storage/safekeepers/Safekeepers.ts"
import {
  afterCancelledStart,
  afterEmpty,
  afterFailedStart,
  afterPostgres,
  stopPostgres
} from "../../../src/programs/stop/shutdown.ts"
import { terminate } from "../../../src/programs/stop/terminate.ts"
import { basics, fake, options, running, settle, spec } from "../fakes.ts"

const LSN = fromBigInt(0x1800000n)
const exited = (code: number): Ended => ({ _tag: "Exited", code })
const fast: StopReason = { _tag: "Terminate", mode: "fast" }
const immediate: StopReason = { _tag: "Terminate", mode: "immediate" }
const term: StopReason = { _tag: "Signal", signal: "SIGTERM", immediate: false }
const quit: StopReason = { _tag: "Signal", signal: "SIGQUIT", immediate: true }

interface Given {
  readonly neighbours?: Effect.Effect<void>
  readonly sync?: Effect.Effect<Synced, SyncFailed>
  readonly cores?: Effect.Effect<ReadonlyArray<string>>
  readonly options?: Parameters<typeof options>[0]
}

/** A machine that writes down what it is asked for, and does it at once unless something else is given. */
const world = (log: Array<string>, given: Given = {}) => {
  const noted = <A, E>(what: string, effect: Effect.Effect<A, E>) =>
    Effect.andThen(
      Effect.sync(() => log.push(what)),
      effect
    )
  return Layer.mergeAll(
    fake(PgBouncer, { stop: noted("pgbouncer", given.neighbours ?? Effect.void) }),
    fake(LocalProxy, { stop: noted("local_proxy", Effect.void) }),
    fake(Safekeepers, { finalSync: () => noted("sync", given.sync ?? Effect.succeed({ lsn: LSN, tookMs: 7 })) }),
    fake(DataDirectory, { coreDumps: noted("cores", given.cores ?? Effect.succeed([])) }),
    fake(Children, {}),
    options({ dev: false, ...given.options }),
    basics
  )
}

const server = (log: Array<string>, stop: RunningPostgres["stop"]): RunningPostgres => ({
  pid: 1,
  ended: Effect.never,
  ready: Effect.void,
  lastWords: Effect.succeed(""),
  reload: Effect.succeed(true),
  stop: (mode) =>
    Effect.andThen(
      Effect.sync(() => log.push(mode)),
      stop(mode)
    )
})

const ask = (reason: StopReason) => Effect.flatMap(StopRequests, (stops) => stops.request(reason))
const pass = (time: Duration.Input) => Effect.andThen(settle, Effect.andThen(TestClock.adjust(time), settle))

/** What it ends with, after exactly so many milliseconds. */
const lasting = <A, E, R>(millis: number, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* settle
    if (millis > 0) {
      yield* pass(millis - 1)
      assert.isUndefined(fiber.pollUnsafe(), `it ended before ${millis} ms`)
      yield* pass(1)
    }
    assert.isDefined(fiber.pollUnsafe(), `it did not end within ${millis} ms`)
    return yield* Fiber.join(fiber)
  })

const begun = running(spec({ mode: "Primary" }))

describe("the end of a compute whose Postgres has ended", () => {
  for (const [name, reason, millis, code] of [
    ["by itself", null, 300, 3],
    ["for /terminate?mode=fast", fast, 30_000, 3],
    ["for /terminate?mode=immediate", immediate, 300, 3],
    ["for a signal", term, 0, 1],
    ["for an impatient signal", quit, 0, 1],
    ["because it was detached", { _tag: "Detached" }, 0, 1],
    ["after an error that nobody caught", { _tag: "Crashed" }, 0, 1]
  ] as const) {
    it.effect(`${name} lets the API answer on for ${millis} ms, and the code is ${code}`, () =>
      Effect.gen(function* () {
        yield* begun
        if (reason !== null) yield* ask(reason)
        assert.strictEqual(yield* lasting(millis, afterPostgres(exited(3), Effect.void)), code)
      }).pipe(Effect.provide(world([])))
    )
  }

  it.effect("comes at once when a signal comes while the API answers on", () =>
    Effect.gen(function* () {
      yield* begun
      yield* ask(fast)
      const fiber = yield* Effect.forkChild(afterPostgres(exited(0), Effect.void))
      yield* pass("29 seconds")
      yield* ask(term)
      assert.strictEqual(yield* Fiber.join(fiber), 1)
    }).pipe(Effect.provide(world([])))
  )

  it.effect("waits for safekeepers that say nothing half a minute, and answers without a position", () =>
    Effect.gen(function* () {
      yield* begun
      const answer = yield* Effect.forkChild(terminate("immediate"))
      yield* settle
      const ending = yield* Effect.forkChild(afterPostgres(exited(0), Effect.void))
      yield* pass("29 seconds")
      assert.isUndefined(answer.pollUnsafe())
      yield* pass("1 second")
      assert.deepStrictEqual(yield* Fiber.join(answer), { _tag: "Terminated", repeated: false, lsn: null })
      yield* pass("300 millis")
      assert.strictEqual(yield* Fiber.join(ending), 0)
    }).pipe(Effect.provide(world([], { sync: Effect.never })))
  )

  it.effect("leaves who waits for a position without an answer when a signal cuts the sync short", () =>
    Effect.gen(function* () {
      yield* begun
      const answer = yield* Effect.forkChild(terminate("fast"))
      yield* settle
      const ending = yield* Effect.forkChild(afterPostgres(exited(0), Effect.void))
      yield* pass("10 seconds")
      yield* ask(term)
      assert.strictEqual(yield* Fiber.join(ending), 1)
      assert.deepStrictEqual(yield* Fiber.join(answer), { _tag: "Unanswered" })
    }).pipe(Effect.provide(world([], { sync: Effect.never })))
  )

  it.effect("answers with the position of the last sync, and again", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      yield* begun
      const answer = yield* Effect.forkChild(terminate("fast"))
      yield* settle
      const ending = yield* Effect.forkChild(afterPostgres(exited(0), Effect.void))
      assert.deepStrictEqual(yield* Fiber.join(answer), { _tag: "Terminated", repeated: false, lsn: LSN })
      assert.deepStrictEqual(yield* terminate("fast"), { _tag: "Terminated", repeated: true, lsn: LSN })
      yield* pass("30 seconds")
      assert.strictEqual(yield* Fiber.join(ending), 0)
      assert.deepStrictEqual(log, ["sync", "cores"])
    }).pipe(Effect.provide(world(log)))
  })

  it.effect("goes on after a sync that fails, and after services that do not end", () =>
    Effect.gen(function* () {
      yield* begun
      assert.strictEqual(yield* lasting(5300, afterPostgres(exited(2), Effect.never)), 2)
      assert.isNull((yield* ComputeState.current).terminateFlushLsn)
    }).pipe(Effect.provide(world([], { sync: Effect.fail(new SyncFailed({ message: "lost the election" })) })))
  )

  it.effect("gives a debugger half an hour, but not against an impatient signal", () =>
    Effect.gen(function* () {
      yield* begun
      const ending = yield* Effect.forkChild(afterPostgres(exited(0), Effect.void))
      yield* pass("29 minutes")
      yield* ask(term)
      yield* settle
      assert.isUndefined(ending.pollUnsafe())
      yield* ask(quit)
      assert.strictEqual(yield* Fiber.join(ending), 1)
    }).pipe(Effect.provide(world([], { cores: Effect.never })))
  )
})

describe("stopping Postgres", () => {
  it.effect("is fast, after the neighbours, who get five seconds", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const stopping = stopPostgres(
        server(log, () => Effect.succeed(exited(0))),
        term
      )
      assert.deepStrictEqual(yield* lasting(5000, stopping), exited(0))
      assert.deepStrictEqual(log, ["pgbouncer", "local_proxy", "fast"])
    }).pipe(Effect.provide(world(log, { neighbours: Effect.never })))
  })

  it.effect("is immediate for an impatient signal, also one that comes while a fast stop takes its time", () => {
    const log: Array<string> = []
    const slow = server(log, (mode) => (mode === "fast" ? Effect.never : Effect.succeed(exited(2))))
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* stopPostgres(slow, quit), exited(2))
      assert.notInclude(log, "fast")
      const stopping = yield* Effect.forkChild(stopPostgres(slow, term))
      yield* pass("1 hour")
      assert.isUndefined(stopping.pollUnsafe())
      yield* ask(quit)
      assert.deepStrictEqual(yield* Fiber.join(stopping), exited(2))
      assert.deepStrictEqual(log.slice(-2), ["fast", "immediate"])
    }).pipe(Effect.provide(world(log)))
  })

  it.effect("leaves the neighbours alone where a developer's Ctrl-C reaches them too", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      yield* stopPostgres(
        server(log, () => Effect.succeed(exited(0))),
        term
      )
      assert.deepStrictEqual(log, ["fast"])
    }).pipe(Effect.provide(world(log, { options: { dev: true } })))
  })
})

describe("a start that failed", () => {
  const failed = Effect.gen(function* () {
    const state = yield* ComputeState
    yield* state.transition("spec at start", () => ({ spec: spec({ mode: "Primary" }) }))
    yield* state.transition("start failed", () => ({ error: "why" }))
  })

  it.effect("says why for half a minute, then ends with 1", () =>
    Effect.gen(function* () {
      yield* failed
      assert.strictEqual(yield* lasting(30_000, afterFailedStart(null, Effect.void)), 1)
    }).pipe(Effect.provide(world([])))
  )

  it.effect("ends at once with a signal", () =>
    Effect.gen(function* () {
      yield* failed
      const ending = yield* Effect.forkChild(afterFailedStart(null, Effect.void))
      yield* pass("10 seconds")
      yield* ask(term)
      assert.strictEqual(yield* Fiber.join(ending), 1)
    }).pipe(Effect.provide(world([])))
  )

  it.effect("ends with the code of a Postgres that had become ready, its WAL brought to the safekeepers", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      yield* failed
      const postgres = server(log, () => Effect.succeed(exited(5)))
      assert.strictEqual(yield* lasting(30_000, afterFailedStart(postgres, Effect.void)), 5)
      assert.deepStrictEqual(log, ["pgbouncer", "local_proxy", "fast", "sync", "cores"])
    }).pipe(Effect.provide(world(log)))
  })
})

describe("a start that was cut short", () => {
  for (const [name, reason, millis, code] of [
    ["by a signal", term, 0, 1],
    ["by the watchdog of lakebase mode", { _tag: "InitTimeout" }, 0, 1],
    ["by /terminate?mode=immediate", immediate, 300, 0],
    ["by /terminate?mode=fast", fast, 30_000, 0]
  ] as const) {
    it.effect(`${name} ends with ${code} after ${millis} ms`, () =>
      Effect.gen(function* () {
        yield* ask(reason)
        assert.strictEqual(yield* lasting(millis, afterCancelledStart(null, reason, Effect.void)), code)
      }).pipe(Effect.provide(world([])))
    )
  }
})

describe("an empty compute that is asked to end", () => {
  for (const [name, lakebaseMode, reason, millis, code] of [
    ["by /terminate", false, fast, 300, 0],
    ["by /terminate, in lakebase mode", true, fast, 5000, 0],
    ["by a signal", false, term, 0, 1]
  ] as const) {
    it.effect(`${name} does so after ${millis} ms with ${code}`, () =>
      Effect.gen(function* () {
        yield* ask(reason)
        assert.strictEqual(yield* lasting(millis, afterEmpty(reason)), code)
      }).pipe(Effect.provide(world([], { options: { lakebaseMode } })))
    )
  }
})
