import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import type { ParsedSpec } from "../../../src/domain/spec/ParsedSpec.ts"
import { ApplyFailed, Catalog } from "../../../src/layers/catalog/Catalog.ts"
import { ComputeState } from "../../../src/layers/compute/ComputeState.ts"
import { StopRequests } from "../../../src/layers/compute/stop/StopRequests.ts"
import { SpecSource } from "../../../src/layers/controlPlane/SpecSource.ts"
import { Reconfiguration } from "../../../src/programs/run/reconfigure.ts"
import { Refresh } from "../../../src/programs/run/refresh.ts"
import { basics, counter, fake, machinery, reloads, running, scriptedSql, settle, spec } from "../fakes.ts"

type Answers = Parameters<typeof scriptedSql>[1]

const world = (
  log: Array<string>,
  answers: Answers = reloads,
  own: Layer.Layer<never> | Layer.Layer<Catalog> = Layer.empty
) =>
  Reconfiguration.layer.pipe(
    Layer.provide(own),
    Layer.provideMerge(Layer.mergeAll(basics, machinery(log))),
    Layer.provideMerge(scriptedSql(log, answers))
  )

const reconfigured = (parsed: ParsedSpec, log: Array<string>, answers?: Answers) =>
  Effect.gen(function* () {
    yield* running(parsed)
    const reconfiguration = yield* Reconfiguration
    const report = yield* reconfiguration.run()
    return report
  }).pipe(Effect.provide(world(log, answers)))

const ORDER = (entry: string) => !entry.startsWith("SELECT")

describe("reconfiguration", () => {
  it.effect("writes, reloads, and only then applies the catalog", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const report = yield* reconfigured(spec(), log)
      assert.deepStrictEqual(log.filter(ORDER), ["conf", "rsyslog", "SIGHUP", "catalog"])
      assert.deepInclude(report, { confirmed: true, applied: true, settings: [], error: null })
    })
  )

  it.effect("leaves the catalog alone with the skip flag and on standbys", () =>
    Effect.gen(function* () {
      for (const members of [{ skip_pg_catalog_updates: true }, { mode: "Replica" }, { mode: { Static: "0/1" } }]) {
        const log: Array<string> = []
        yield* reconfigured(spec(members), log)
        assert.deepStrictEqual(log.filter(ORDER), ["conf", "rsyslog", "SIGHUP"])
      }
    })
  )

  it.effect("sends the signal before it opens a session, and is not over until the files were read", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      let polls = 0
      const answers: Answers = [
        ["pg_conf_load_time", Effect.sync(() => [{ loaded: ++polls > 3 }])],
        ["pending_restart", [{ name: "max_connections", pending: true, takes: null }]]
      ]
      const fiber = yield* Effect.forkChild(reconfigured(spec(), log, answers))
      yield* settle
      // The apply does not wait for it.
      assert.deepStrictEqual(log.filter(ORDER), ["conf", "rsyslog", "SIGHUP", "catalog"])
      assert.isAbove(
        log.findIndex((entry) => entry.startsWith("SELECT")),
        log.indexOf("SIGHUP")
      )
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const report = yield* Fiber.join(fiber)
      assert.strictEqual(polls, 4)
      assert.deepStrictEqual(
        report.settings?.map(({ name, waits_for_restart }) => [name, waits_for_restart]),
        [["max_connections", true]]
      )
    })
  )

  it.effect("goes on with a file of which Postgres applied nothing, and tells what it refused", () => {
    const log: Array<string> = []
    const fault = { file: "/d/postgresql.conf", line: 7, name: "work_men", value: "4MB", error: "unrecognized" }
    const answers: Answers = [
      ["pg_conf_load_time", [{ loaded: false }]],
      ["pg_file_settings", [fault]]
    ]
    return Effect.gen(function* () {
      yield* running(spec())
      const reconfiguration = yield* Reconfiguration
      const report = yield* reconfiguration.run()
      const { error: reason, ...place } = fault
      const settings = [{ ...place, reason, waits_for_restart: false }]
      assert.deepInclude(report, { confirmed: true, applied: false, error: null, settings })
      assert.deepStrictEqual(yield* reconfiguration.refused, settings)
      assert.strictEqual(yield* counter("compute_ctl_refused_settings"), "compute_ctl_refused_settings 1")
      assert.deepStrictEqual(log.filter(ORDER), ["conf", "rsyslog", "SIGHUP", "catalog"])
    }).pipe(Effect.provide(world(log, answers)))
  })

  it.effect("tells what Postgres refused after an apply that failed", () => {
    const log: Array<string> = []
    const fault = { file: "/d/postgresql.conf", line: 7, name: "work_men", value: "4MB", error: "unrecognized" }
    let polls = 0
    const answers: Answers = [
      ["pg_conf_load_time", Effect.sync(() => [{ loaded: ++polls > 3 }])],
      ["pg_file_settings", Effect.sync(() => (polls > 3 ? [fault] : []))]
    ]
    const failure = new ApplyFailed({
      message: "the apply failed",
      phase: null,
      object: null,
      sqlstate: null,
      hint: null,
      failures: [],
      subscriptionsPending: true
    })
    return Effect.gen(function* () {
      yield* running(spec())
      const reconfiguration = yield* Reconfiguration
      const fiber = yield* Effect.forkChild(Effect.flip(reconfiguration.run()))
      yield* settle
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), failure)
      const { error: reason, ...place } = fault
      const settings = [{ ...place, reason, waits_for_restart: false }]
      assert.deepStrictEqual(yield* reconfiguration.refused, settings)
      assert.deepInclude(yield* reconfiguration.last, { confirmed: true, error: "the apply failed", settings })
    }).pipe(Effect.provide(world(log, answers, fake(Catalog, { apply: () => Effect.fail(failure) }))))
  })

  it.effect("goes on when nobody can see the reload within its limit", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const fiber = yield* Effect.forkChild(reconfigured(spec(), log, [["pg_conf_load_time", [{ loaded: false }]]]))
      yield* settle
      yield* TestClock.adjust("11 seconds")
      assert.deepInclude(yield* Fiber.join(fiber), { confirmed: false })
      assert.include(log, "catalog")
    })
  )

  it.effect("keeps subscribers on when inherited subscriptions are known to be dropped", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const answers: Answers = [
        ["to_regclass", [{ there: true, fault: null }]],
        ["SELECT 1 FROM neon", [{}]],
        ...reloads
      ]
      yield* reconfigured(spec({ drop_subscriptions_before_start: true }), log, answers)
      assert.deepStrictEqual(log.filter(ORDER), [
        "conf neon.disable_logical_replication_subscribers=false",
        "rsyslog",
        "SIGHUP",
        "catalog"
      ])
    })
  )

  it.effect("turns subscribers on after the catalog has dropped inherited subscriptions", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      yield* reconfigured(spec({ drop_subscriptions_before_start: true }), log)
      assert.deepStrictEqual(log.filter(ORDER), [
        ...["conf", "rsyslog", "SIGHUP", "catalog"],
        "line neon.disable_logical_replication_subscribers=false",
        "SIGHUP"
      ])
    })
  )

  it.effect("does not wait for neighbours", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      yield* reconfigured(spec({ pgbouncer_settings: { pool_mode: "session" }, local_proxy_config: {} }), log)
      assert.include(log, "pgbouncer")
      assert.include(log, "local_proxy")
    })
  )

  it.effect("runs one at a time", () => {
    const log: Array<string> = []
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    return Effect.gen(function* () {
      yield* running(spec())
      const reconfiguration = yield* Reconfiguration
      const first = yield* Effect.forkChild(
        reconfiguration.exclusive((run) =>
          Effect.andThen(
            Effect.promise(() => gate),
            run()
          )
        )
      )
      yield* settle
      const second = yield* Effect.forkChild(reconfiguration.run())
      yield* settle
      assert.deepStrictEqual(log, [])
      release()
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      assert.lengthOf(
        log.filter((entry) => entry === "SIGHUP"),
        2
      )
    }).pipe(Effect.provide(world(log)))
  })
})

describe("refresh", () => {
  const refreshing = <A, E>(
    fetched: ReadonlyArray<ParsedSpec | null>,
    test: (log: ReadonlyArray<string>) => Effect.Effect<A, E, Refresh | ComputeState | StopRequests>,
    answers?: Answers
  ) => {
    const log: Array<string> = []
    let turn = 0
    const source = fake(SpecSource, {
      refetch: Effect.sync(() => {
        const next = fetched[Math.min(turn++, fetched.length - 1)] ?? null
        return { spec: next?.spec ?? null, compute_ctl_config: { jwks: { keys: [] }, tls: null } }
      })
    })
    return Effect.andThen(running(spec()), test(log)).pipe(
      Effect.provide(Refresh.layer.pipe(Layer.provideMerge(world(log, answers)), Layer.provideMerge(source)))
    )
  }
  const run = Effect.flatMap(Refresh, (refresh) => refresh.run)
  const moved = spec({ pageserver_connstring: "postgresql://ps-b" })

  it.effect("touches nothing when the pageservers are the same", () =>
    refreshing([spec({ safekeeper_connstrings: ["other:1"] })], (log) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* run, "unchanged")
        assert.deepStrictEqual(log, [])
      })
    )
  )

  it.effect("reconfigures with moved pageservers", () =>
    refreshing([moved], (log) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* run, "reconfigured")
        assert.include(log, "SIGHUP")
        const state = yield* ComputeState
        assert.deepStrictEqual((yield* state.get).spec?.pageserver, moved.pageserver)
        assert.strictEqual(yield* run, "unchanged")
      })
    )
  )

  it.effect("does not take an adopted spec for one that Postgres applied", () => {
    let fail = true
    return refreshing(
      [moved],
      (log) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* run, "reconfigured")
          fail = false
          assert.strictEqual(yield* run, "reconfigured")
          assert.lengthOf(
            log.filter((entry) => entry === "SIGHUP"),
            2
          )
          assert.strictEqual(yield* run, "unchanged")
        }),
      [
        ["pg_conf_load_time", Effect.sync(() => [{ loaded: !fail }])],
        [
          "pg_file_settings",
          Effect.sync(() => (fail ? [{ file: "f", line: 1, name: "x", value: "", error: "bad" }] : []))
        ],
        ["pending_restart", []]
      ]
    )
  })

  it.effect("asks to stop when the compute has been detached", () =>
    refreshing([null], () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* run, "detached")
        const stops = yield* StopRequests
        assert.deepStrictEqual(yield* stops.current, { _tag: "Detached" })
      })
    )
  )
})
