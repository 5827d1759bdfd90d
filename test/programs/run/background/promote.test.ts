import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { fromBigInt } from "../../../../src/domain/spec/Lsn.ts"
import { ComputeState } from "../../../../src/layers/compute/ComputeState.ts"
import { DataDirectoryFailed } from "../../../../src/layers/postgres/dataDirectory/DataDirectory.ts"
import { Promotion } from "../../../../src/programs/run/background/promote.ts"
import { Reconfiguration } from "../../../../src/programs/run/reconfigure.ts"
import { basics, machinery, reloads, running, scriptedSql, settle, spec, sqlFailure } from "../../fakes.ts"

type Answers = NonNullable<Parameters<typeof scriptedSql>[1]>

const replica = spec({ mode: "Replica", cluster: { roles: [], databases: [], postgresql_conf: "port=5001" } })
const primary = spec({
  safekeeper_connstrings: ["a:1", "b'x:2"],
  safekeepers_generation: 3,
  cluster: { roles: [], databases: [], postgresql_conf: "port=5002" }
})
const request = { spec: primary, walFlushLsn: fromBigInt(0x100n) }

const well: Answers = [
  ...reloads,
  ["pg_last_wal_replay_lsn", [{ lsn: "0/100" }]],
  ["pg_promote", [{ done: true }]],
  ["SHOW transaction_read_only", [{ transaction_read_only: "off" }]]
]

const promoting = <A, E>(
  answers: Answers,
  test: (log: Array<string>) => Effect.Effect<A, E, Promotion | ComputeState>,
  prewarmed = true,
  write?: Effect.Effect<void, DataDirectoryFailed>
) => {
  const log: Array<string> = []
  return Effect.gen(function* () {
    yield* running(replica)
    const state = yield* ComputeState
    if (prewarmed) yield* state.update(() => ({ prewarm: { status: "skipped" } }))
    yield* test(log)
  }).pipe(
    Effect.provide(
      Promotion.layer.pipe(
        Layer.provideMerge(Reconfiguration.layer),
        Layer.provideMerge(Layer.mergeAll(basics, machinery(log, write), scriptedSql(log, answers)))
      )
    )
  )
}

const promote = Effect.flatMap(Promotion, (promotion) => promotion.promote(request))
const essential = (entry: string) => /^(ALTER|SIGHUP|conf$|catalog$|SHOW)|pg_promote\(/.test(entry)

describe("promotion", () => {
  it.effect("goes through its steps in order and leaves nothing in postgresql.auto.conf", () =>
    promoting(well, (log) =>
      Effect.gen(function* () {
        assert.deepInclude(yield* promote, { status: "completed", lsn_wait_time_ms: 0 })
        assert.deepStrictEqual(
          log.filter(essential).map((entry) => (entry.includes("pg_promote") ? "pg_promote" : entry)),
          [
            "ALTER SYSTEM SET neon.safekeepers = 'g#3:a:1,b''x:2'",
            "ALTER SYSTEM SET synchronous_standby_names = walproposer",
            "SIGHUP",
            "pg_promote",
            "SHOW transaction_read_only",
            "conf",
            "ALTER SYSTEM RESET neon.safekeepers",
            "ALTER SYSTEM RESET synchronous_standby_names",
            "SIGHUP",
            "catalog"
          ]
        )
        const { spec: now, status } = yield* Effect.flatMap(ComputeState, (state) => state.get)
        assert.strictEqual(status, "running")
        assert.strictEqual(now?.spec.mode, "Primary")
        assert.strictEqual(now?.spec.cluster.postgresql_conf, "port=5002\nport=5001")
      })
    )
  )

  it.effect("is done once: later callers get the same result", () =>
    promoting(well, (log) =>
      Effect.gen(function* () {
        const [one, two] = yield* Effect.all([promote, promote], { concurrency: 2 })
        assert.strictEqual(one, two)
        assert.strictEqual(yield* promote, one)
        assert.lengthOf(
          log.filter((entry) => entry.includes("pg_promote")),
          1
        )
      })
    )
  )

  it.effect("goes on without the caller, whom a second one replaces", () => {
    let polls = 0
    return promoting(
      [["pg_last_wal_replay_lsn", Effect.sync(() => [{ lsn: ++polls > 2 ? "0/100" : null }])], ...well],
      () =>
        Effect.gen(function* () {
          const first = yield* Effect.forkChild(promote)
          yield* settle
          yield* Fiber.interrupt(first)
          const second = yield* Effect.forkChild(promote)
          yield* settle
          yield* TestClock.adjust("2 seconds")
          assert.deepInclude(yield* Fiber.join(second), { status: "completed", lsn_wait_time_ms: 2000 })
          assert.strictEqual(polls, 3)
        })
    )
  })

  it.effect("is looked at anew after a refusal", () =>
    promoting(
      well,
      () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* promote, { status: "failed", error: "compute NotPrewarmed" })
          const state = yield* ComputeState
          yield* state.update(() => ({ prewarm: { status: "skipped" } }))
          assert.deepInclude(yield* promote, { status: "completed" })
        }),
      false
    )
  )

  it.effect("gives up when the replay stays behind for 21 polls", () => {
    let polls = 0
    return promoting([["pg_last_wal_replay_lsn", Effect.sync(() => [{ lsn: `0/${(++polls).toString(16)}` }])]], (log) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(promote)
        yield* settle
        for (let second = 0; second < 21; second++) {
          yield* TestClock.adjust("1 second")
          yield* settle
        }
        assert.deepStrictEqual(yield* Fiber.join(fiber), {
          status: "failed",
          error: "didn't catch up with primary in 20 retries"
        })
        assert.strictEqual(polls, 21)
        assert.isFalse(log.some((entry) => entry.startsWith("ALTER")))
      })
    )
  })

  it.effect("takes its settings back when Postgres does not promote", () =>
    promoting([["pg_promote", [{ done: false }]], ...well], (log) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* promote, { status: "failed", error: "pg_promote() failed" })
        assert.deepStrictEqual(log.filter(essential).slice(-3), [
          "ALTER SYSTEM RESET neon.safekeepers",
          "ALTER SYSTEM RESET synchronous_standby_names",
          "SIGHUP"
        ])
      })
    )
  )

  it.effect("names the step that failed", () =>
    promoting([["SET neon.safekeepers", Effect.fail(sqlFailure("db error: ERROR: no"))], ...well], () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* promote, { status: "failed", error: "setting safekeepers: db error: ERROR: no" })
      })
    )
  )

  it.effect("goes on with the reconfiguration when only that failed before", () => {
    let full = true
    const write = Effect.suspend(() =>
      full ? Effect.fail(new DataDirectoryFailed({ path: "postgresql.conf", reason: "no space left" })) : Effect.void
    )
    return promoting(
      well,
      (log) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* promote, { status: "failed", error: "postgresql.conf: no space left" })
          full = false
          assert.deepInclude(yield* promote, { status: "completed" })
          assert.lengthOf(
            log.filter((entry) => entry.includes("pg_promote")),
            1
          )
        }),
      true,
      write
    )
  })

  it.effect("goes on with each request's own spec until one succeeds", () => {
    const bad = spec({
      cluster: { roles: [], databases: [], settings: [{ name: "a", value: null, vartype: "string" }] }
    })
    return promoting(well, (log) =>
      Effect.gen(function* () {
        const promotion = yield* Promotion
        const failed = yield* promotion.promote({ ...request, spec: bad })
        assert.include(failed.status === "failed" ? failed.error : failed.status, "there is no value")
        assert.deepInclude(yield* promotion.promote({ ...request, spec: replica }), {
          status: "failed",
          error: 'new spec\'s compute mode "replica" is not primary'
        })
        assert.deepInclude(yield* promote, { status: "completed" })
        const { spec: now } = yield* Effect.flatMap(ComputeState, (state) => state.get)
        assert.deepStrictEqual(now?.safekeepers, primary.safekeepers)
        assert.lengthOf(
          log.filter((entry) => entry.includes("pg_promote(")),
          1
        )
      })
    )
  })

  it.effect("is tried with the spec of whoever joined one that failed", () =>
    promoting(well, () =>
      Effect.gen(function* () {
        const promotion = yield* Promotion
        const both = [promotion.promote({ ...request, spec: replica }), promote]
        const [failed, completed] = yield* Effect.all(both, { concurrency: 2 })
        assert.strictEqual(failed?.status, "failed")
        assert.strictEqual(completed?.status, "completed")
      })
    )
  )

  it.effect("ends with the compute", () =>
    promoting([["pg_last_wal_replay_lsn", [{ lsn: null }]]], () =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(promote)
        yield* settle
        const state = yield* ComputeState
        yield* state.transition("terminate fast")
        assert.deepStrictEqual(yield* Fiber.join(fiber), {
          status: "failed",
          error: "invalid compute status: termination-pending-fast"
        })
      })
    )
  )
})
