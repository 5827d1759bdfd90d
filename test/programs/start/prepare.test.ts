import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { fromBigInt } from "../../../src/domain/spec/Lsn.ts"
import { ComputeState } from "../../../src/layers/compute/ComputeState.ts"
import { DataDirectory } from "../../../src/layers/postgres/dataDirectory/DataDirectory.ts"
import { Pageserver } from "../../../src/layers/storage/pageserver/Pageserver.ts"
import { Safekeepers, type Synced, SyncFailed } from "../../../src/layers/storage/safekeepers/Safekeepers.ts"
import { prepareDataDirectory } from "../../../src/programs/start/prepare.ts"
import { basics, fake, settle, spec } from "../fakes.ts"

const LSN = fromBigInt(0x1800000n)

const world = (log: Array<string>, written: Effect.Effect<void>, sync: Effect.Effect<Synced, SyncFailed>) =>
  Layer.mergeAll(
    fake(DataDirectory, {
      create: Effect.void,
      writeConf: () => Effect.as(written, true),
      finish: () => Effect.void,
      unpack: () => Effect.succeed(3)
    }),
    fake(Safekeepers, {
      check: () => Effect.succeed({ lsn: null, tookMs: 17 }),
      sync: () =>
        Effect.andThen(
          Effect.sync(() => log.push("sync")),
          sync
        )
    }),
    fake(Pageserver, { connectEarly: () => Effect.succeed(() => Effect.never) }),
    basics
  )

const primary = spec({ mode: "Primary" })
const measured = Effect.flatMap(ComputeState, ({ get }) => Effect.map(get, ({ metrics }) => metrics))

describe("the LSN of a start", () => {
  it.effect("is asked of a child only when there is a configuration for it to read, whose time alone is told", () => {
    const log: Array<string> = []
    const written = Deferred.makeUnsafe<void>()
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(prepareDataDirectory(primary))
      yield* settle
      assert.deepStrictEqual(log, [])
      yield* Deferred.succeed(written, undefined)
      yield* settle
      assert.deepStrictEqual(log, ["sync"])
      assert.deepInclude(yield* measured, { sync_sk_check_ms: 17, sync_safekeepers_ms: 40 })
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(world(log, Deferred.await(written), Effect.succeed({ lsn: LSN, tookMs: 40 }))))
  })

  it.effect("leaves what the check took when they cannot be brought in sync", () =>
    Effect.gen(function* () {
      yield* Effect.flip(prepareDataDirectory(primary))
      assert.deepInclude(yield* measured, { sync_sk_check_ms: 17, sync_safekeepers_ms: 0 })
    }).pipe(Effect.provide(world([], Effect.void, Effect.fail(new SyncFailed({ message: "no quorum" })))))
  )
})
