import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Catalog } from "../../../src/layers/catalog/Catalog.ts"
import { Supervisor } from "../../../src/layers/compute/Supervisor.ts"
import { LocalProxy, LocalProxyFailed } from "../../../src/layers/neighbours/LocalProxy.ts"
import { configurePrimary } from "../../../src/programs/start/configurePrimary.ts"
import { fake, machinery, spec } from "../fakes.ts"

describe("a primary", () => {
  it.effect("comes up although local_proxy cannot be told", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const services: Array<string> = []
      const layer = Layer.mergeAll(
        machinery(log),
        fake(LocalProxy, { configure: () => Effect.fail(new LocalProxyFailed({ message: "no such folder" })) }),
        fake(Catalog, {
          apply: () =>
            Effect.as(
              Effect.sync(() => log.push("catalog")),
              {} as never
            ),
          migrate: () => Effect.void,
          updateNeonExtension: Effect.void
        }),
        fake(Supervisor, { run: (name) => Effect.sync(() => void services.push(name)) })
      )
      yield* Effect.provide(configurePrimary(spec({ local_proxy_config: { jwks: [] } })), layer)
      assert.deepStrictEqual(log.slice(0, 2), ["catalog", "line neon.disable_logical_replication_subscribers=false"])
      assert.deepStrictEqual(services, ["migrations", "neon extension update"])
    })
  )
})
