import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { Client } from "pg"
import { ComputeState } from "../../../src/layers/compute/ComputeState.ts"
import { Metrics } from "../../../src/layers/observe/Metrics.ts"
import { Monitor } from "../../../src/layers/observe/Monitor.ts"
import { Sql, SqlFailed, type SqlSession } from "../../../src/layers/sql/Sql.ts"
import { throwAwayPostgres, versions } from "../throwAwayPostgres.ts"

const failed = (message: string) => SqlFailed.of(message)

/** A Postgres whose health a test switches. */
const scripted = () => {
  const script = { connects: true, answers: true, hangs: false, sessions: 0, idleSince: null as string | null }
  const session: SqlSession = {
    query: <Row extends object>() =>
      Effect.suspend(() => {
        if (script.hangs) return Effect.never
        if (!script.answers) return Effect.fail(failed("connection closed"))
        const rows = [{ kind: "clock", detail: null, count: "0", since: "1772438400000000", latest: null }]
        if (script.idleSince !== null) {
          rows.push({
            kind: "session",
            detail: "idle",
            count: "1",
            since: script.idleSince,
            latest: script.idleSince
          } as never)
        }
        return Effect.succeed(rows as unknown as ReadonlyArray<Row>)
      }),
    script: () => Effect.void,
    backend: null
  }
  const layer = Layer.succeed(Sql, {
    session: () =>
      Effect.suspend(() => {
        if (!script.connects) return Effect.fail(failed("error connecting to server: refused"))
        return Effect.acquireRelease(
          Effect.sync(() => {
            script.sessions += 1
            return session
          }),
          () =>
            Effect.sync(() => {
              script.sessions -= 1
            })
        )
      })
  } as unknown as Sql["Service"])
  return { script, layer }
}

const around = (sql: Layer.Layer<Sql>) =>
  Monitor.layer.pipe(Layer.provideMerge(ComputeState.layer), Layer.provideMerge(Layer.mergeAll(Metrics.layer, sql)))

const started = Effect.gen(function* () {
  const state = yield* ComputeState
  yield* state.transition("spec at start")
  yield* state.transition("started", () => ({ postgresRuns: true }))
})

const downtime = Effect.gen(function* () {
  const text = yield* (yield* Metrics).render
  const value = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1])
  return [value("compute_pg_current_downtime_ms"), value("compute_pg_downtime_ms_total")]
})

describe("Monitor", () => {
  it.effect("counts downtime from the last look, and none before the compute runs or while it stops", () => {
    const { script, layer } = scripted()
    return Effect.gen(function* () {
      const monitor = yield* Monitor
      const fiber = yield* Effect.forkChild(monitor.poll)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(script.sessions, 0)
      yield* started
      yield* TestClock.adjust("10 millis")
      assert.strictEqual(script.sessions, 1)
      script.answers = false
      yield* TestClock.adjust("490 millis")
      assert.deepStrictEqual(yield* downtime, [500, 500])
      script.answers = true
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(yield* downtime, [0, 500])
      script.connects = false
      script.answers = false
      yield* TestClock.adjust("2 seconds")
      const [current, total] = yield* downtime
      assert.isAtLeast(current ?? 0, 1500)
      assert.isAtLeast(total ?? 0, 2000)
      assert.strictEqual((yield* monitor.activity).monitor, "down")
      yield* (yield* ComputeState).transition("terminate fast")
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual((yield* downtime)[1], total)
      assert.strictEqual(script.sessions, 0)
    }).pipe(Effect.provide(around(layer)))
  })

  it.effect("takes a Postgres that hangs for one that is down", () => {
    const { script, layer } = scripted()
    return Effect.gen(function* () {
      yield* Effect.forkChild((yield* Monitor).poll)
      yield* started
      yield* TestClock.adjust("100 millis")
      script.hangs = true
      yield* TestClock.adjust("5600 millis")
      assert.isAtLeast((yield* downtime)[1] ?? 0, 5000)
      script.hangs = false
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* downtime)[0], 0)
    }).pipe(Effect.provide(around(layer)))
  })

  it.effect("pauses when Postgres is gone and comes back with it", () => {
    const { script, layer } = scripted()
    return Effect.gen(function* () {
      const state = yield* ComputeState
      yield* Effect.forkChild((yield* Monitor).poll)
      yield* started
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(script.sessions, 1)
      yield* state.update(() => ({ postgresRuns: false }))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(script.sessions, 0)
      assert.deepStrictEqual(yield* downtime, [0, 0])
      yield* state.update(() => ({ postgresRuns: true }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(script.sessions, 1)
    }).pipe(Effect.provide(around(layer)))
  })

  it.effect("publishes the last activity, microseconds kept, and null before", () => {
    const { script, layer } = scripted()
    return Effect.gen(function* () {
      const state = yield* ComputeState
      yield* Effect.forkChild((yield* Monitor).poll)
      yield* started
      yield* TestClock.adjust("10 seconds")
      assert.isNull((yield* state.get).lastActive)
      script.idleSince = "1772438399123456"
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* state.get).lastActive, "2026-03-02T07:59:59.123456+00:00")
    }).pipe(Effect.provide(around(layer)))
  })
})

const connect = (port: number, user: string, database: string, applicationName = "app") =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Client({ host: "127.0.0.1", port, user, database, application_name: applicationName })
      client.on("error", () => undefined)
      await client.connect()
      return client
    }),
    (client) => Effect.promise(() => client.end().catch(() => undefined))
  )

const kinds = Effect.map(
  Effect.flatMap(Monitor, (monitor) => monitor.fresh),
  ({ active, reasons }) => [active, ...reasons.map(({ kind }) => kind)]
)

/** Looks again for as long as the monitor and a busy machine may need. */
const settles = <A, E, R>(look: Effect.Effect<A, E, R>, isWanted: (seen: A) => boolean) =>
  look.pipe(
    Effect.filterOrFail(isWanted, (seen) => new Error(`still ${JSON.stringify(seen)}`)),
    Effect.retry(Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(1800)]))
  )
const connected = settles(kinds, ([active]) => active !== null)

describe.each(versions)("Monitor on Postgres $version", ({ bin }) => {
  it.live("sees what users do and nothing else", () =>
    Effect.gen(function* () {
      const postgres = yield* throwAwayPostgres(bin, { timezone: "Asia/Tokyo" })
      const admin = yield* connect(postgres.port, "cloud_admin", "postgres")
      yield* Effect.promise(() => admin.query("create role app login"))
      yield* Effect.promise(() => admin.query("create database appdb owner app"))
      yield* Effect.gen(function* () {
        const state = yield* ComputeState
        yield* started
        yield* Effect.forkChild((yield* Monitor).poll)
        yield* connected
        const sleeping = yield* Effect.forkChild(Effect.promise(() => admin.query("select pg_sleep(1.5)")))
        assert.deepStrictEqual(yield* kinds, [false], "the superuser's own query")
        assert.isNull((yield* state.get).lastActive)
        yield* Fiber.join(sleeping)

        const user = yield* connect(postgres.port, "app", "appdb")
        yield* Effect.promise(() => user.query("begin"))
        assert.deepStrictEqual(yield* kinds, [true, "transaction"])
        yield* Effect.promise(() => user.query("commit"))
        assert.deepStrictEqual(yield* kinds, [false])
        const { rows } = yield* Effect.promise(() =>
          admin.query(
            "select (extract(epoch from state_change) * 1000000)::bigint::text as micros from pg_stat_activity where usename = 'app'"
          )
        )
        const before = (yield* state.get).lastActive
        assert.match(before ?? "", /\+00:00$/)
        assert.approximately(Date.parse(before ?? "") * 1000, Number(rows[0].micros), 5_000_000)
        yield* Effect.sleep("1200 millis")
        assert.strictEqual((yield* state.get).lastActive, before, "an idle session does not age")

        const query = user.query("select pg_sleep(600)").catch(() => undefined)
        assert.deepStrictEqual(yield* settles(kinds, ([active]) => active === true), [true, "query"])
        yield* Effect.promise(() =>
          admin.query("select pg_cancel_backend(pid) from pg_stat_activity where usename = 'app'")
        )
        yield* Effect.promise(() => query)
        assert.deepStrictEqual(yield* kinds, [false])
      }).pipe(Effect.provide(around(Sql.layerTo(postgres.connstr))))
    })
  )

  it.live("with the feature, sees a session that came and went between two looks, but not our own", () =>
    Effect.gen(function* () {
      const postgres = yield* throwAwayPostgres(bin)
      const admin = yield* connect(postgres.port, "cloud_admin", "postgres")
      yield* Effect.promise(() => admin.query("create database appdb"))
      yield* Effect.gen(function* () {
        const state = yield* ComputeState
        const monitor = yield* Monitor
        yield* started
        yield* state.update(() => ({ spec: { spec: { features: ["activity_monitor_experimental"] } } as never }))
        yield* Effect.forkChild(monitor.poll)
        yield* connected
        assert.deepStrictEqual(yield* kinds, [false])
        yield* monitor.disregard(Effect.scoped(connect(postgres.port, "cloud_admin", "appdb", "compute_ctl:scan")))
        yield* Effect.sleep("2500 millis")
        assert.isNull((yield* state.get).lastActive)
        yield* Effect.scoped(connect(postgres.port, "cloud_admin", "appdb"))
        yield* settles(state.get, ({ lastActive }) => lastActive !== null)
        assert.isNotNull((yield* state.get).lastActive)
      }).pipe(Effect.provide(around(Sql.layerTo(postgres.connstr))))
    })
  )

  it.live("counts replication, and a stopped server as down within its patience", () =>
    Effect.gen(function* () {
      const postgres = yield* throwAwayPostgres(bin)
      yield* Effect.gen(function* () {
        const monitor = yield* Monitor
        yield* started
        yield* Effect.forkChild(monitor.poll)
        yield* Effect.scoped(
          Effect.gen(function* () {
            for (const [name, expected] of [
              ["walproposer", [false]],
              ["sub1", [true, "walsender"]]
            ] as const) {
              const client = yield* Effect.acquireRelease(
                Effect.promise(async () => {
                  const replication = new Client({
                    host: "127.0.0.1",
                    port: postgres.port,
                    user: "cloud_admin",
                    application_name: name,
                    options: "-c search_path=",
                    ...({ replication: "database", database: "postgres" } as object)
                  })
                  replication.on("error", () => undefined)
                  await replication.connect()
                  await replication.query("IDENTIFY_SYSTEM")
                  return replication
                }),
                (replication) => Effect.promise(() => replication.end().catch(() => undefined))
              )
              assert.isDefined(client)
              yield* Effect.sleep("600 millis")
              const { reasons } = yield* settles(monitor.fresh, ({ active }) => active !== null)
              assert.strictEqual(reasons.filter(({ kind }) => kind === "walsender").length, expected.length - 1, name)
            }
          })
        )
        postgres.child.kill("SIGQUIT")
        yield* Effect.promise(() => postgres.ended)
        yield* settles(downtime, ([current]) => (current ?? 0) > 0)
        const [current, total] = yield* downtime
        assert.isAbove(current ?? 0, 0)
        assert.isAbove(total ?? 0, 0)
        assert.strictEqual((yield* monitor.activity).active, null)
      }).pipe(Effect.provide(around(Sql.layerTo(postgres.connstr))))
    })
  )
})
