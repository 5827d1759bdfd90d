import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { fromBigInt } from "../../../src/domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../../src/domain/spec/ParsedSpec.ts"
import { ComputeState } from "../../../src/layers/compute/ComputeState.ts"
import { DataDirectory } from "../../../src/layers/postgres/dataDirectory/DataDirectory.ts"
import { Pageserver } from "../../../src/layers/storage/pageserver/Pageserver.ts"
import { Safekeepers, type Synced, SyncFailed } from "../../../src/layers/storage/safekeepers/Safekeepers.ts"
import { prepareDataDirectory } from "../../../src/programs/start/prepare.ts"
import { connectToStorage } from "../../../src/programs/start/storage.ts"
import { basics, fake, settle, spec } from "../fakes.ts"

const connected = ["pageserver", "safekeepers"]
const LSN = fromBigInt(0x1800000n)

/** Each step leaves a word; the basebackup never comes. */
const world = (log: Array<string>, written: Effect.Effect<void>, sync: Effect.Effect<Synced, SyncFailed>) => {
  const note = (word: string) => Effect.sync(() => void log.push(word))
  return Layer.mergeAll(
    fake(DataDirectory, {
      create: Effect.void,
      writeConf: () => Effect.as(Effect.andThen(written, note("conf")), true),
      finish: () => Effect.void,
      unpack: () => Effect.succeed(3)
    }),
    fake(Safekeepers, {
      connectEarly: () => Effect.as(note("safekeepers"), Effect.as(note("check"), { lsn: null, tookMs: 17 })),
      sync: () => Effect.andThen(note("sync"), sync)
    }),
    fake(Pageserver, {
      connectEarly: () =>
        Effect.as(
          Effect.andThen(
            note("pageserver"),
            Effect.addFinalizer(() => note("closed"))
          ),
          () => Effect.andThen(note("basebackup"), Effect.never)
        )
    }),
    basics
  )
}

/** As a start does. */
const prepare = (parsed: ParsedSpec, others: Effect.Effect<void>) =>
  Effect.scoped(Effect.flatMap(connectToStorage(parsed), (storage) => prepareDataDirectory(parsed, storage, others)))

const measured = Effect.flatMap(ComputeState, ({ get }) => Effect.map(get, ({ metrics }) => metrics))

describe("the LSN of a start", () => {
  it.effect("is asked for last: with the configuration written and all else prepared", () => {
    const log: Array<string> = []
    const written = Deferred.makeUnsafe<void>()
    const others = Deferred.makeUnsafe<void>()
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(prepare(spec({ mode: "Primary" }), Deferred.await(others)))
      yield* settle
      assert.deepStrictEqual(log, connected)
      yield* Deferred.succeed(written, undefined)
      yield* settle
      assert.deepStrictEqual(log, [...connected, "conf"])
      yield* Deferred.succeed(others, undefined)
      yield* settle
      assert.deepStrictEqual(log, [...connected, "conf", "check", "sync", "basebackup"])
      assert.deepInclude(yield* measured, { sync_sk_check_ms: 17, sync_safekeepers_ms: 40 })
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(log.slice(-1), ["closed"])
    }).pipe(Effect.provide(world(log, Deferred.await(written), Effect.succeed({ lsn: LSN, tookMs: 40 }))))
  })

  it.effect("is no reason to wait where no election follows", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(prepare(spec({ mode: "Replica" }), Effect.never))
      yield* settle
      assert.deepStrictEqual(log, ["pageserver", "conf", "basebackup"])
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(world(log, Effect.void, Effect.never)))
  })

  it.effect("is never asked for by a start that fails before, and leaves no connection", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      yield* Effect.exit(prepare(spec({ mode: "Primary" }), Effect.void))
      assert.deepStrictEqual(log, [...connected, "closed"])
    }).pipe(Effect.provide(world(log, Effect.die(new Error("no room")), Effect.never)))
  })

  it.effect("leaves what the check took when they cannot be brought in sync", () =>
    Effect.gen(function* () {
      yield* Effect.flip(prepare(spec({ mode: "Primary" }), Effect.void))
      assert.deepInclude(yield* measured, { sync_sk_check_ms: 17, sync_safekeepers_ms: 0 })
    }).pipe(Effect.provide(world([], Effect.void, Effect.fail(new SyncFailed({ message: "no quorum" })))))
  )
})
