/**
 * What goes past the library's router is answered as it would answer.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Authorization } from "../../src/layers/compute/authorization/Authorization.ts"
import { ComputeState } from "../../src/layers/compute/ComputeState.ts"
import { NotReady, Readiness } from "../../src/layers/postgres/Readiness.ts"
import * as rig from "./rig.ts"

const PATHS = ["/livez", "/startupz", "/readyz", "/poolz", "/status", "/metrics"]
const METHODS = ["GET", "HEAD", "PUT"]
const TOKENS = { good: rig.bearer(), none: {}, bad: { authorization: "Bearer x.y.z" } }

/** Counters and times differ from one scrape to the next. */
const comparable = (path: string, { body, headers, status }: rig.Answer) => {
  const { "x-request-id": _, date: __, ...others } = headers
  const names = body.match(/^# .*$/gm)
  return path.startsWith("/metrics")
    ? { status, headers: { ...others, "content-length": null }, names }
    : { status, headers: others, body }
}

/** Every answer of both ways, in one state after the other. */
const compared = Effect.gen(function* () {
  const { transition } = yield* ComputeState
  const direct = (yield* rig.serveAll()).external.port
  const routed = (yield* rig.serveAll({}, false)).external.port
  const compare = Effect.gen(function* () {
    for (const path of PATHS.flatMap((one) => [one, `${one}?a=b`])) {
      for (const method of METHODS) {
        for (const headers of Object.values(TOKENS)) {
          const ask = (port: number) => rig.ask({ port, path, method, headers: { ...headers, "x-request-id": "1" } })
          // The second time a token is known.
          for (const time of ["first", "second"]) {
            const [one, other] = [yield* ask(direct), yield* ask(routed)]
            const what = `${method} ${path}, ${time} time`
            assert.deepStrictEqual(comparable(path, one), comparable(path, other), what)
            assert.strictEqual(one.headers["x-request-id"], "1")
          }
        }
      }
    }
  })
  yield* compare
  yield* transition("spec at start", () => ({ lastActive: "2026-01-01T00:00:00.000Z" }))
  yield* compare
  yield* transition("start failed", () => ({ error: 'no "pageserver": \u00e9' }))
  yield* compare
})

describe("what is at hand", () => {
  it.live("is answered as by the router", () => Effect.provide(compared, rig.layerRig), 120_000)

  it.live(
    "is answered so when it is not ready, and when no token is asked for",
    () => {
      const readiness = Layer.succeed(Readiness, { check: Effect.fail(new NotReady({ message: "no" })) })
      const open = Authorization.layerFrom({ jwks: rig.keys, computeId: rig.COMPUTE, open: true })
      return compared.pipe(Effect.provide(Layer.merge(readiness, open)), Effect.provide(rig.layerRig))
    },
    120_000
  )

  it.live("is an error of ours when what it asks has a defect", () =>
    Effect.gen(function* () {
      const { external } = yield* rig.serveAll()
      const { body, status } = yield* rig.ask({ port: external.port, path: "/readyz" })
      assert.deepStrictEqual([status, body], [500, '{"error":"internal error"}'])
    }).pipe(Effect.provideService(Readiness, { check: Effect.die("broken") }), Effect.provide(rig.layerRig))
  )
})
