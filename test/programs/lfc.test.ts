import * as zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { ComputeState } from "../../src/layers/compute/ComputeState.ts"
import type { Sql } from "../../src/layers/sql/Sql.ts"
import {
  EndpointStorage,
  EndpointStorageFailed,
  type StorageAnswer
} from "../../src/layers/storage/endpointStorage/EndpointStorage.ts"
import { Offloading, offloadPeriodically } from "../../src/programs/run/background/offload.ts"
import { Prewarming } from "../../src/programs/run/background/prewarm.ts"
import { basics, counter, fake, running, scriptedSql, settle, spec, sqlFailure } from "./fakes.ts"

const stored = spec({ endpoint_storage_addr: "es:1", endpoint_storage_token: "t", offload_lfc_interval_seconds: 2 })
const STATE = Buffer.from("the state of the cache")

const answer = (status: number, statusText: string, body: Uint8Array = new Uint8Array()): StorageAnswer => ({
  status,
  statusText: `${status} ${statusText}`,
  body: Stream.make(body)
})

const storage = (get: Effect.Effect<StorageAnswer, EndpointStorageFailed>, puts: Array<Buffer> = [], status = 200) =>
  fake(EndpointStorage, {
    get: () => get,
    put: (_, chunks) =>
      Effect.sync(() => {
        puts.push(Buffer.concat(chunks))
        return { status, statusText: `${status} Said So` }
      })
  })

const info: ReadonlyArray<readonly [string, ReadonlyArray<object>]> = [
  ["get_prewarm_info", [{ total: 10, prewarmed: 8, skipped: 2 }]],
  ["get_local_cache_state", [{ state: STATE }]]
]

const caching = <A, E>(
  layers: {
    readonly storage: Layer.Layer<EndpointStorage>
    readonly sql?: Layer.Layer<Sql>
    readonly parsed?: typeof stored
  },
  test: Effect.Effect<A, E, Prewarming | Offloading | Layer.Success<typeof basics>>
) =>
  Effect.andThen(running(layers.parsed ?? stored), test).pipe(
    Effect.provide(
      Layer.mergeAll(Prewarming.layer, Offloading.layer).pipe(
        Layer.provideMerge(Layer.mergeAll(basics, layers.storage, layers.sql ?? scriptedSql([], info)))
      )
    )
  )

const prewarm = Effect.flatMap(Prewarming, (prewarming) => prewarming.begin(null))
const settled = (member: "prewarm" | "offload") =>
  Effect.flatMap(ComputeState, (state) =>
    Effect.map(
      state.await((current) => !/ing$|^not/.test(current[member].status)),
      (current) => current[member]
    )
  )
const prewarmed = Effect.andThen(prewarm, settled("prewarm"))

describe("LFC prewarm", () => {
  it.effect("loads what the store has", () => {
    const asked: Array<string> = []
    return caching(
      {
        storage: storage(Effect.succeed(answer(200, "OK", zlib.zstdCompressSync(STATE)))),
        sql: scriptedSql(asked, info)
      },
      Effect.gen(function* () {
        assert.deepInclude(yield* prewarmed, { status: "completed", total: 10, prewarmed: 8, skipped: 2 })
        // Whose the function is was asked before.
        const load = asked.find((statement) => statement.includes("SELECT neon.prewarm_local_cache")) ?? ""
        assert.include(load, JSON.stringify(STATE))
        assert.strictEqual(yield* counter("compute_ctl_lfc_prewarms_total"), "compute_ctl_lfc_prewarms_total 1")
        assert.strictEqual(
          yield* counter("compute_ctl_lfc_prewarm_errors_total"),
          "compute_ctl_lfc_prewarm_errors_total 0"
        )
      })
    )
  })

  it.effect("counts nothing as 0 when Postgres has had nothing to do", () =>
    caching(
      {
        storage: storage(Effect.succeed(answer(200, "OK", zlib.zstdCompressSync(STATE)))),
        sql: scriptedSql([], [["get_prewarm_info", [{ total: null, prewarmed: null, skipped: null }]]])
      },
      Effect.map(prewarmed, (state) =>
        assert.deepInclude(state, { status: "completed", total: 0, prewarmed: 0, skipped: 0 })
      )
    )
  )

  it.effect("has nothing to do for an endpoint that was never offloaded", () =>
    caching(
      { storage: storage(Effect.succeed(answer(404, "Not Found"))) },
      Effect.map(prewarmed, (state) => {
        assert.deepStrictEqual(state, { status: "skipped" })
      })
    )
  )

  it.effect.each([
    ["503 Service Unavailable querying endpoint storage", Effect.succeed(answer(503, "Service Unavailable"))],
    ["querying endpoint storage: reset", Effect.fail(new EndpointStorageFailed({ message: "reset" }))],
    [
      "getting request body from endpoint storage: cut",
      Effect.succeed({ ...answer(200, "OK"), body: Stream.fail(new EndpointStorageFailed({ message: "cut" })) })
    ]
  ] as const)("fails with %s", ([error, get]) =>
    caching(
      { storage: storage(get) },
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* prewarmed, { status: "failed", error })
        assert.strictEqual(
          yield* counter("compute_ctl_lfc_prewarm_errors_total"),
          "compute_ctl_lfc_prewarm_errors_total 1"
        )
      })
    )
  )

  it.effect("fails with what is not zstd, and what Postgres refuses", () =>
    Effect.gen(function* () {
      yield* caching(
        { storage: storage(Effect.succeed(answer(200, "OK", Buffer.from("garbage, no frame")))) },
        Effect.map(prewarmed, (state) =>
          assert.match(state.status === "failed" ? state.error : state.status, /^decoding LFC state: ./)
        )
      )
      const sql = scriptedSql([], [["prewarm_local_cache", Effect.fail(sqlFailure("db error: ERROR: off"))]])
      const get = Effect.succeed(answer(200, "OK", zlib.zstdCompressSync(STATE)))
      yield* caching(
        { storage: storage(get), sql },
        Effect.map(prewarmed, (state) =>
          assert.deepStrictEqual(state, {
            status: "failed",
            error: "loading LFC state into postgres: db error: ERROR: off"
          })
        )
      )
    })
  )

  it.effect("is one at a time, and a cancel ends that one only", () =>
    caching(
      { storage: storage(Effect.never) },
      Effect.gen(function* () {
        const prewarming = yield* Prewarming
        yield* prewarming.cancel
        assert.isTrue(yield* prewarm)
        yield* settle
        assert.isFalse(yield* prewarm)
        const state = yield* ComputeState
        assert.deepStrictEqual((yield* state.get).prewarm, { status: "prewarming" })
        yield* prewarming.cancel
        assert.deepStrictEqual(yield* settled("prewarm"), { status: "cancelled" })
        yield* prewarming.cancel
        assert.isTrue(yield* prewarm)
        yield* settle
        assert.deepStrictEqual((yield* state.get).prewarm, { status: "prewarming" })
        assert.include(yield* counter("compute_ctl_lfc_prewarms_total"), " 2")
        assert.include(yield* counter("compute_ctl_lfc_prewarm_errors_total"), " 0")
      })
    )
  )

  it.effect("goes on when whoever asked is gone", () => {
    const gate = Deferred.makeUnsafe<StorageAnswer>()
    return caching(
      { storage: storage(Deferred.await(gate)) },
      Effect.gen(function* () {
        const asker = yield* Effect.forkChild(Effect.andThen(prewarm, Effect.never))
        yield* settle
        yield* Fiber.interrupt(asker)
        yield* Deferred.succeed(gate, answer(404, "Not Found"))
        assert.deepStrictEqual(yield* settled("prewarm"), { status: "skipped" })
      })
    )
  })
})

describe("LFC offload", () => {
  const offload = Effect.andThen(
    Effect.flatMap(Offloading, (offloading) => offloading.begin),
    settled("offload")
  )

  it.effect("stores one zstd frame of the state", () => {
    const puts: Array<Buffer> = []
    return caching(
      { storage: storage(Effect.never, puts) },
      Effect.gen(function* () {
        assert.deepInclude(yield* offload, { status: "completed" })
        assert.deepStrictEqual(zlib.zstdDecompressSync(puts[0] ?? Buffer.alloc(0)), STATE)
        assert.strictEqual(yield* counter("compute_ctl_lfc_offloads_total"), "compute_ctl_lfc_offloads_total 1")
      })
    )
  })

  it.effect("skips an empty cache, and fails with what the store says", () =>
    Effect.gen(function* () {
      const none = scriptedSql([], [["get_local_cache_state", [{ state: null }]]])
      yield* caching(
        { storage: storage(Effect.never), sql: none },
        Effect.map(offload, (state) => assert.deepStrictEqual(state, { status: "skipped" }))
      )
      yield* caching(
        { storage: storage(Effect.never, [], 403) },
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* offload, {
            status: "failed",
            error: "request to endpoint storage failed: 403 Said So"
          })
          assert.include(yield* counter("compute_ctl_lfc_offload_errors_total"), " 1")
        })
      )
    })
  )

  it.effect("happens at the spec's interval, but never from a half-warm cache", () => {
    const puts: Array<Buffer> = []
    return caching(
      { storage: storage(Effect.never, puts) },
      Effect.gen(function* () {
        const state = yield* ComputeState
        const fiber = yield* Effect.forkChild(offloadPeriodically)
        const pass = Effect.andThen(
          TestClock.adjust("2 seconds"),
          Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 30)))
        )
        yield* settle
        assert.lengthOf(puts, 0)
        yield* pass
        assert.lengthOf(puts, 1)
        yield* state.update(() => ({ prewarm: { status: "failed", error: "x" } }))
        yield* pass
        yield* pass
        assert.lengthOf(puts, 1)
        yield* state.update(() => ({ prewarm: { status: "skipped" } }))
        yield* pass
        assert.lengthOf(puts, 2)
        yield* state.update(() => ({ spec: spec() }))
        yield* pass
        assert.lengthOf(puts, 2)
        yield* Fiber.interrupt(fiber)
      })
    )
  })
})
