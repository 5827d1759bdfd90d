import * as fs from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { ATTEMPTS } from "../../../src/domain/api/ControlPlaneAnswer.ts"
import { messages } from "../../../src/domain/observe/ErrorChain.ts"
import { type ComputeOptions, Options } from "../../../src/layers/compute/Options.ts"
import { SpecSource } from "../../../src/layers/controlPlane/SpecSource.ts"
import { decodeVariables, Variables } from "../../../src/layers/machine/process/Variables.ts"
import { Metrics } from "../../../src/layers/observe/Metrics.ts"

const spec = { format_version: 1, suspend_timeout_seconds: -1, cluster: { roles: [], databases: [] } }
const compute_ctl_config = { jwks: { keys: [] } }
const attached = JSON.stringify({ status: "attached", spec, compute_ctl_config })

let root: string
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "spec-source-"))
})
afterEach(() => fs.rmSync(root, { recursive: true, force: true }))

type Handler = (request: IncomingMessage, response: ServerResponse, number: number) => void

/** A server on a free port, with the requests it has seen. */
const serve = (handler: Handler) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const seen: Array<IncomingMessage> = []
      const server = createServer((request, response) => {
        seen.push(request)
        handler(request, response, seen.length)
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const { port } = server.address() as AddressInfo
      return { server, seen, base: `http://127.0.0.1:${port}` }
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )

/** Answers in order; the last one stays. */
const answering = (...answers: ReadonlyArray<readonly [code: number, body?: string]>) =>
  serve((_, response, number) => {
    const [code, body = ""] = answers[Math.min(number, answers.length) - 1] ?? [500]
    response.writeHead(code, { "content-type": "application/json" }).end(body)
  })

const options = (controlPlaneUri: string, computeId: string, token: string) =>
  ({ controlPlaneUri, computeId, controlPlaneToken: Redacted.make(token) }) as ComputeOptions

const fromControlPlane = (base: string, { computeId = "compute-1", token = "", env = {} } = {}) =>
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const logged: Array<string> = []
    const logger = Logger.make(({ message }) => void logged.push([message].flat().join(" ")))
    const result = yield* Effect.flatMap(SpecSource, (source) => source.initial).pipe(
      Effect.result,
      Effect.provide(SpecSource.layerControlPlane),
      Effect.provide(Layer.succeed(Options, options(base, computeId, token))),
      Effect.provideService(Variables, decodeVariables(env)),
      Effect.provide(Logger.layer([logger]))
    )
    const counted = (yield* metrics.render)
      .split("\n")
      .flatMap(
        (line) => /^compute_ctl_cplane_requests_total\{http_status="(.*)",rpc="GetConfig"\} (\d+)/.exec(line) ?? []
      )
      .filter((part) => !part.startsWith("compute_ctl"))
    return { result, logged, counted, chain: result._tag === "Failure" ? messages(result.failure) : [] }
  }).pipe(Effect.provide(Metrics.layer))

describe("the control plane", () => {
  it.live("is asked again after answers that pass", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* answering([503], [502], [200, attached])
      const started = performance.now()
      const { counted, logged, result } = yield* fromControlPlane(`${base}/`, { computeId: "ep one/2" })
      assert.isAbove(performance.now() - started, 200)
      assert.strictEqual(Result.getOrThrow(result).spec?.mode, "Primary")
      assert.deepStrictEqual(
        seen.map(({ url }) => url),
        Array(3).fill("/compute/api/v2/computes/ep%20one/2/spec")
      )
      assert.deepStrictEqual(counted, ["200 OK", "1", "502 Bad Gateway", "1", "503 Service Unavailable", "1"])
      assert.strictEqual(logged[0], "attempt 1 to get config failed with: control plane is temporarily unavailable")
    })
  )

  it.live("is believed at once that it does not know the compute", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* answering([404, "{}"])
      const { chain, counted, logged } = yield* fromControlPlane(base)
      assert.strictEqual(seen.length, 1)
      assert.deepStrictEqual(chain, [
        "neither spec nor confirmation that compute is in the Empty state was received",
        "unexpected control plane response status code: 404 Not Found"
      ])
      assert.deepStrictEqual(logged, [
        "cannot get response from control plane: unexpected control plane response status code: 404 Not Found"
      ])
      assert.deepStrictEqual(counted, ["404 Not Found", "1"])
    })
  )

  it.live("is not asked again when it attaches without a spec", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* answering([
        200,
        JSON.stringify({ status: "attached", spec: null, compute_ctl_config })
      ])
      const { chain } = yield* fromControlPlane(base)
      assert.strictEqual(seen.length, 1)
      assert.include(chain, "compute is attached, but spec is empty")
    })
  )

  it.live("may say that the compute is empty", () =>
    Effect.gen(function* () {
      const { base } = yield* answering([200, JSON.stringify({ status: "empty", spec: null, compute_ctl_config })])
      assert.isNull(Result.getOrThrow((yield* fromControlPlane(base)).result).spec)
    })
  )

  it.live("is given up when nobody answers, or nobody makes sense", () =>
    Effect.gen(function* () {
      const { base, seen, server } = yield* answering([200, '{"status":"sleeping"'])
      const garbled = yield* fromControlPlane(base)
      assert.strictEqual(seen.length, ATTEMPTS)
      assert.strictEqual(garbled.chain.at(-1), "Exhausted all attempts to retrieve the config from the control plane")
      assert.include(
        garbled.logged[0] ?? "",
        "could not deserialize control plane response: status: unknown variant `sleeping`"
      )
      assert.deepStrictEqual(garbled.counted, ["200 OK", String(ATTEMPTS)])
      yield* Effect.promise(() => new Promise((resolve) => server.close(resolve)))
      const refused = yield* fromControlPlane(base)
      assert.deepStrictEqual(refused.counted, ["unknown", String(ATTEMPTS)])
      assert.include(refused.logged[0] ?? "", "could not perform request to control plane: connect ECONNREFUSED")
    })
  )

  it.live("gets the token if there is one, and its redirects are followed without giving the token away", () =>
    Effect.gen(function* () {
      const other = yield* answering([200, attached])
      const { base, seen } = yield* serve((request, response) => {
        const location = request.url === "/moved" ? `${other.base}/there` : "/moved"
        response.writeHead(307, { location }).end()
      })
      yield* fromControlPlane(base)
      assert.deepStrictEqual(
        seen.map(({ headers }) => headers.authorization),
        [undefined, undefined]
      )
      const { result, counted } = yield* fromControlPlane(base, { token: "given" })
      assert.strictEqual(result._tag, "Success")
      assert.deepStrictEqual(counted, ["200 OK", "1"])
      assert.deepStrictEqual(
        seen.slice(2).map(({ headers }) => headers.authorization),
        ["Bearer given", "Bearer given"]
      )
      assert.deepStrictEqual(
        other.seen.map(({ url, headers }) => [url, headers.authorization]),
        [
          ["/there", undefined],
          ["/there", undefined]
        ]
      )
    })
  )

  it.live("ends a circle of redirects", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* serve((_, response) => response.writeHead(302, { location: "/again" }).end())
      const { logged } = yield* fromControlPlane(base)
      assert.include(logged[0] ?? "", "more than 10 redirects")
      assert.strictEqual(seen.length, 11 * ATTEMPTS)
    })
  )

  it.live("is reached through the proxy of the environment, unless excepted", () =>
    Effect.gen(function* () {
      const proxy = yield* answering([200, attached])
      const target = yield* answering([404])
      const env = { http_proxy: proxy.base, no_proxy: "127.0.0.1" }
      const far = yield* fromControlPlane("http://control-plane.invalid:9", { token: "given", env })
      assert.strictEqual(far.result._tag, "Success")
      assert.deepStrictEqual(
        proxy.seen.map(({ method, url, headers }) => [method, url, headers.authorization]),
        [["GET", "http://control-plane.invalid:9/compute/api/v2/computes/compute-1/spec", "Bearer given"]]
      )
      const near = yield* fromControlPlane(target.base, { token: "given", env })
      assert.include(near.chain.at(-1) ?? "", "404 Not Found")
      assert.strictEqual(proxy.seen.length, 1)
    })
  )

  it.live("an address that is none is refused with its text", () =>
    Effect.gen(function* () {
      assert.include((yield* fromControlPlane("nowhere")).logged[0] ?? "", "not a URL: nowhere/compute/api")
    })
  )
})

const file = (text: string) => {
  const name = path.join(root, "config.json")
  fs.writeFileSync(name, text)
  return name
}
const logged: Array<string> = []
const logger = Logger.make(({ message }) => void logged.push([message].flat().join(" ")))
const initial = (layer: Layer.Layer<SpecSource>) =>
  Effect.flatMap(SpecSource, (source) => source.initial).pipe(
    Effect.provide(layer),
    Effect.provide(Logger.layer([logger]))
  )

describe("a file", () => {
  it.effect("is read anew at each refresh", () =>
    Effect.gen(function* () {
      const name = file(JSON.stringify({ spec: null, compute_ctl_config }))
      const source = yield* Effect.provide(SpecSource, SpecSource.layerFile(name))
      assert.isNull((yield* source.initial).spec)
      file(JSON.stringify({ spec: { ...spec, project_id: "p" }, compute_ctl_config }))
      assert.strictEqual((yield* source.refetch).spec?.project_id, "p")
    })
  )

  it.effect("that cannot be read or decoded is named, with the JSON path", () =>
    Effect.gen(function* () {
      const missing = path.join(root, "none.json")
      assert.include((yield* Effect.flip(initial(SpecSource.layerFile(missing)))).message, `${missing}: ENOENT`)
      const wrong = file(JSON.stringify({ spec: { ...spec, tenant_id: "zz" }, compute_ctl_config }))
      assert.match(
        (yield* Effect.flip(initial(SpecSource.layerFile(wrong)))).message,
        /config\.json: spec\.tenant_id: Invalid string length at line 1 column \d+$/
      )
      const two = file(`${JSON.stringify({ compute_ctl_config })}{}`)
      assert.include((yield* Effect.flip(initial(SpecSource.layerFile(two)))).message, "trailing characters")
    })
  )

  it.effect("may be a bare spec, which brings no keys", () =>
    Effect.gen(function* () {
      const config = yield* initial(SpecSource.layerSpecFile(file(JSON.stringify(spec))))
      assert.strictEqual(config.spec?.suspend_timeout_seconds, -1)
      assert.deepStrictEqual(config.compute_ctl_config, { jwks: { keys: [] }, tls: null })
    })
  )

  it.effect("starts with the keys that can be used, and names the others in the log", () =>
    Effect.gen(function* () {
      const good = { kty: "OKP", crv: "Ed25519", x: "AA" }
      const keys = [{ ...good, alg: "ES999", kid: "new", d: "private" }, good]
      const config = yield* initial(
        SpecSource.layerFile(file(JSON.stringify({ compute_ctl_config: { jwks: { keys } } })))
      )
      const usable = config.compute_ctl_config.jwks.keys
      assert.lengthOf(usable, 1)
      assert.deepInclude(usable[0], { x: "AA", alg: null })
      assert.include(logged.at(-1) ?? "", 'jwks: key 0 (kid "new")')
      assert.notInclude(logged.at(-1) ?? "", "private")
    })
  )
})
