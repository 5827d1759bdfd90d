/**
 * The catalog service on sessions that only pretend.
 */

import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import { NO_FAULTS } from "../../../src/domain/catalog/Snapshot.ts"
import { Catalog } from "../../../src/layers/catalog/Catalog.ts"
import { type ComputeOptions, Options } from "../../../src/layers/compute/Options.ts"
import { Waits } from "../../../src/layers/compute/Waits.ts"
import { Metrics } from "../../../src/layers/observe/Metrics.ts"
import { DataDirectory } from "../../../src/layers/postgres/dataDirectory/DataDirectory.ts"
import { Postmaster } from "../../../src/layers/postgres/Postmaster.ts"
import { Sql, SqlFailed, type SqlSession } from "../../../src/layers/sql/Sql.ts"
import { database, role, snapshotOf, specOf } from "../../domain/catalog/parts.ts"
import { settle } from "../../programs/fakes.ts"

const names = Array.from({ length: 1000 }, (_, index) => `db${index}`)

/** The server's answer about 1000 databases, all as the spec wants them but for what is inside. */
const snapshot = JSON.stringify({
  ...snapshotOf({
    databases: names.map((name, index) => ({
      oid: 20_000 + index,
      name,
      owner: "u",
      template: false,
      connectable: true,
      limit: -1
    })),
    schemaNeon: true,
    healthCheck: true,
    extensions: [{ name: "neon", version: "1.0", schema: "neon", relocatable: true, ours: true }]
  }),
  neonControl: "default_version = '1.0'",
  roles: { names: ["neon_superuser", "u"], passwords: [null, null] }
})
const inspection = JSON.stringify({
  oid: 1,
  publicOwner: "pg_database_owner",
  publicOfSuperuser: false,
  webAccess: null,
  tablesGranted: false,
  sequencesGranted: true
})

interface Counted {
  open: number
  most: number
  scripts: number
}

const failure = (message: string) => new SqlFailed({ message, sqlstate: "53400", hint: null, detail: null })

const sessions = (counted: Counted, fails: (database: string) => boolean) =>
  Layer.succeed(Sql, {
    place: () => Effect.void,
    isCrowded: () => false,
    target: () => Effect.die(new Error("not here")),
    session: ({ database: name = "postgres" }) =>
      Effect.acquireRelease(
        Effect.sync((): SqlSession => {
          counted.open += 1
          counted.most = Math.max(counted.most, counted.open)
          const answers = [
            ["'publicOwner'", inspection],
            ["'started'", snapshot],
            ["'writeFunction'", JSON.stringify(NO_FAULTS)]
          ] as const
          const answer = (text: string) => answers.find(([part]) => text.includes(part))?.[1] ?? "-1"
          return {
            backend: null,
            query: (text) => Effect.as(Effect.sleep("1 millis"), [{ answer: answer(text), limit: "-1" } as never]),
            script: () =>
              fails(name)
                ? failure(`${name} is broken`)
                : Effect.sync(() => {
                    counted.scripts += 1
                  })
          }
        }),
        () =>
          Effect.sync(() => {
            counted.open -= 1
          })
      )
  })

const around = Layer.mergeAll(
  Layer.provideMerge(Waits.layer, Metrics.layer),
  Layer.succeed(Options, { privilegedRole: "neon_superuser", lakebaseMode: false } as ComputeOptions),
  Layer.succeed(DataDirectory, {
    writeOverride: () => Effect.void,
    ensureConfLine: () => Effect.succeed(false)
  } as unknown as DataDirectory["Service"]),
  Layer.succeed(Postmaster, { current: Effect.succeed(null) } as unknown as Postmaster["Service"]),
  Layer.succeed(References.MinimumLogLevel, "None")
)

const applied = (counted: Counted, concurrency: number, fails: (database: string) => boolean = () => false) =>
  Effect.flatMap(Catalog, (catalog) =>
    catalog.apply(specOf({ dbs: names.map((name) => database(name, "u")) }), { phase: "start", concurrency })
  ).pipe(Effect.provide(Layer.provide(Catalog.layer, Layer.merge(around, sessions(counted, fails)))))

it.live("visits a thousand databases within its limit of sessions", () =>
  Effect.gen(function* () {
    for (const concurrency of [0, 1, 37]) {
      const counted: Counted = { open: 0, most: 0, scripts: 0 }
      const report = yield* applied(counted, concurrency)
      assert.strictEqual(report.databases_visited, 1000)
      assert.strictEqual(counted.scripts, 1000)
      assert.strictEqual(counted.open, 0)
      // The session of the system database comes on top.
      assert.strictEqual(counted.most, Math.max(1, concurrency) + 1)
    }
  })
)

it.live("reports the first failure in the order of the spec, and every other", () =>
  Effect.gen(function* () {
    const counted: Counted = { open: 0, most: 0, scripts: 0 }
    const failed = yield* Effect.flip(applied(counted, 20, (name) => name === "db500" || name === "db7"))
    assert.strictEqual(failed.message, "db7 is broken")
    assert.deepStrictEqual(
      failed.failures.map(({ message }) => message),
      ["db7 is broken", "db500 is broken"]
    )
    assert.strictEqual(counted.scripts, 998)
    assert.strictEqual(counted.open, 0)
  })
)

it.live("opens the session of the first database while it works in its own", () =>
  Effect.gen(function* () {
    const counted: Counted = { open: 0, most: 0, scripts: 0 }
    const fast = yield* Effect.provide(
      Sql,
      sessions(counted, () => false)
    )
    const isOpened = yield* Deferred.make<void>()
    // Nothing is changed before: who opened it only then would wait for ever.
    const delaying = Layer.succeed(Sql, {
      ...fast,
      session: (options) =>
        Effect.map(fast.session(options), (session) => {
          if (options.database === "db0") Deferred.doneUnsafe(isOpened, Effect.void)
          return {
            ...session,
            script: (text: string) => Effect.andThen(Deferred.await(isOpened), session.script(text))
          }
        })
    })
    const spec = specOf({ roles: [role("fresh")], dbs: [database("db0", "u")] })
    const report = yield* Effect.flatMap(Catalog, (catalog) =>
      catalog.apply(spec, { phase: "start", concurrency: 1 })
    ).pipe(Effect.provide(Layer.provide(Catalog.layer, Layer.merge(around, delaying))), Effect.timeout("30 seconds"))
    assert.strictEqual(report.databases_visited, 1)
    assert.isAtLeast(counted.scripts, 2)
    assert.deepStrictEqual([counted.open, counted.most], [0, 2])
  })
)

it.effect("waits for a slow session, and says so", () =>
  Effect.gen(function* () {
    const fast = yield* Sql
    const slow = Layer.succeed(Sql, {
      ...fast,
      session: (options) => Effect.andThen(Effect.sleep("1 minute"), fast.session(options))
    })
    yield* Effect.gen(function* () {
      const catalog = yield* Catalog
      const waits = yield* Waits
      const apply = yield* Effect.forkChild(catalog.apply(specOf({}), { phase: "start", concurrency: 1 }))
      yield* TestClock.adjust("30 seconds")
      yield* settle
      const waiting = yield* waits.current
      assert.includeMembers(
        waiting.map(({ name }) => name),
        ["session with Postgres"]
      )
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* Fiber.join(apply)).state, "done")
    }).pipe(Effect.provide(Layer.provideMerge(Catalog.layer, Layer.merge(around, slow))))
  }).pipe(Effect.provide(sessions({ open: 0, most: 0, scripts: 0 }, () => false)))
)
