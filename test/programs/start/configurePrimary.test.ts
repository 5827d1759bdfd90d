import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Catalog } from "../../../src/layers/catalog/Catalog.ts"
import { Supervisor } from "../../../src/layers/compute/Supervisor.ts"
import { LocalProxy, LocalProxyFailed } from "../../../src/layers/neighbours/LocalProxy.ts"
import { configurePrimary } from "../../../src/programs/start/configurePrimary.ts"
import { basics, fake, machinery, scriptedSql, settle, spec } from "../fakes.ts"

const catalog = (log: Array<string>) =>
  fake(Catalog, {
    apply: () =>
      Effect.as(
        Effect.sync(() => log.push("catalog")),
        {} as never
      ),
    migrate: () => Effect.void,
    updateNeonExtension: Effect.void
  })

describe("a primary", () => {
  it.effect("comes up although local_proxy cannot be told", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const services: Array<string> = []
      const layer = Layer.mergeAll(
        machinery(log),
        basics,
        scriptedSql([]),
        fake(LocalProxy, { configure: () => Effect.fail(new LocalProxyFailed({ message: "no such folder" })) }),
        catalog(log),
        fake(Supervisor, { run: (name) => Effect.sync(() => void services.push(name)) })
      )
      yield* Effect.provide(configurePrimary(spec({ local_proxy_config: { jwks: [] } })), layer)
      assert.deepStrictEqual(log.slice(0, 2), ["catalog", "line neon.disable_logical_replication_subscribers=false"])
      assert.deepStrictEqual(services, ["migrations", "neon extension update"])
    })
  )

  it.effect("whose commits nobody confirms writes nothing and names the setting; one who does is waited for", () =>
    Effect.gen(function* () {
      const settings = [{ name: "synchronous_standby_names", value: "walproposer", vartype: "string" }]
      const waiting = spec({ cluster: { roles: [], databases: [], settings } })
      const run = (rows: ReadonlyArray<object>) =>
        Effect.gen(function* () {
          const log: Array<string> = []
          const layer = Layer.mergeAll(
            machinery(log),
            basics,
            catalog(log),
            scriptedSql([], [["pg_stat_replication", rows]]),
            fake(Supervisor, { run: () => Effect.void })
          )
          const fiber = yield* Effect.forkChild(Effect.result(Effect.provide(configurePrimary(waiting), layer)))
          yield* settle
          yield* TestClock.adjust("10 seconds")
          return { ended: yield* Fiber.join(fiber), log }
        })
      const alone = yield* run([])
      assert.deepStrictEqual(alone.log, [])
      assert.match(
        alone.ended._tag === "Failure" ? alone.ended.failure.message : "",
        /^standby walproposer: not done within 10s: spec\.cluster\.settings\[0\]: /
      )
      const confirmed = yield* run([{}])
      assert.strictEqual(confirmed.log[0], "catalog")
    })
  )
})
