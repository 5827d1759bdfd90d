import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { runVerb } from "../../src/cli/verbs/run.ts"
import { Status } from "../../src/http/api/shapes/StatusDetail.ts"
import * as client from "../../src/http/client.ts"
import { statusBody } from "../../src/http/server/answers/statusBody.ts"
import { serveApi } from "../../src/http/server/servers.ts"
import { ComputeState } from "../../src/layers/compute/ComputeState.ts"
import * as rig from "./rig.ts"

const statusVerb = (argv: ReadonlyArray<string>) => runVerb(["status", ...argv])

const served = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provide(test, rig.layerRig)
const at = (port: number, claims: object | null = rig.admin): client.Target => ({
  url: `http://localhost:${port}/`,
  token: claims === null ? null : Redacted.make(rig.tokenOf(claims))
})

/** As much of the API as the original has in common with us. */
const Original = HttpApi.make("external").add(
  HttpApiGroup.make("original").add(HttpApiEndpoint.get("status", "/status", { success: Status }))
)
const original = HttpApiBuilder.group(Original, "original", (handlers) =>
  handlers.handle("status", () => Effect.flatMap(ComputeState, ({ get }) => Effect.map(get, statusBody)))
)

describe("the client", () => {
  it.live("tells a refusal from silence, without the token", () =>
    served(
      Effect.gen(function* () {
        const { external } = yield* rig.serveAll()
        const target = at(external.port, { compute_id: "other" })
        const refused = yield* Effect.flip(client.status(target))
        assert.deepInclude(refused, {
          _tag: "Refused",
          status: 403,
          error: "invalid compute ID in authorization token claims"
        })
        const unreachable = yield* Effect.flip(client.status({ ...target, url: "http://127.0.0.1:2" }))
        assert.strictEqual(unreachable._tag, "Unreachable")
        assert.match(unreachable.message, /ECONNREFUSED/)
        const slow = yield* Effect.flip(client.status({ ...target, limit: 0 }))
        assert.strictEqual(slow._tag, "Unreachable")
        for (const error of [refused, unreachable, slow]) {
          assert.notInclude(JSON.stringify(error), target.token === null ? "" : Redacted.value(target.token))
        }
      })
    )
  )

  it.live("is content with a compute that only has /status", () =>
    served(
      Effect.gen(function* () {
        const { port } = yield* serveApi(
          Original,
          HttpRouter.toHttpEffect(
            HttpApiBuilder.layer(Original).pipe(Layer.provide(original), Layer.provide(HttpServer.layerServices))
          )
        )
        assert.isNull(yield* client.statusDetail(at(port)))
        assert.strictEqual((yield* client.status(at(port))).status, "empty")
        const code = yield* statusVerb([
          "--url",
          `http://localhost:${port}`,
          "--token",
          rig.tokenOf(rig.admin),
          "--json"
        ])
        assert.strictEqual(code, 3)
      })
    )
  )
})

describe("compute_ctl status", () => {
  it.live("ends with 0 only when the compute runs", () =>
    served(
      Effect.gen(function* () {
        yield* rig.running
        const { external } = yield* rig.serveAll()
        const url = `--url=http://localhost:${external.port}`
        assert.strictEqual(yield* statusVerb([url, "--token", rig.tokenOf(rig.admin)]), 0)
        assert.strictEqual(yield* statusVerb([url]), 1)
        assert.strictEqual(yield* statusVerb([url, "--token", "x", "--token-file", "y"]), 2)
        assert.strictEqual(yield* statusVerb(["--url", "nonsense"]), 2)
        assert.strictEqual(yield* statusVerb(["--url", "http://127.0.0.1:2"]), 1)
      })
    )
  )
})
