import * as fs from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
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
      expect(performance.now() - started).toBeGreaterThan(200)
      expect(result).toMatchObject({ _tag: "Success", success: { spec: { mode: "Primary" } } })
      expect(seen.map(({ url }) => url)).toEqual(Array(3).fill("/compute/api/v2/computes/ep%20one/2/spec"))
      expect(counted).toEqual(["200 OK", "1", "502 Bad Gateway", "1", "503 Service Unavailable", "1"])
      expect(logged[0]).toBe("attempt 1 to get config failed with: control plane is temporarily unavailable")
    })
  )

  it.live("is believed at once that it does not know the compute", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* answering([404, "{}"])
      const { chain, counted, logged } = yield* fromControlPlane(base)
      expect(seen.length).toBe(1)
      expect(chain).toEqual([
        "neither spec nor confirmation that compute is in the Empty state was received",
        "unexpected control plane response status code: 404 Not Found"
      ])
      expect(logged).toEqual([
        "cannot get response from control plane: unexpected control plane response status code: 404 Not Found"
      ])
      expect(counted).toEqual(["404 Not Found", "1"])
    })
  )

  it.live("is not asked again when it attaches without a spec", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* answering([
        200,
        JSON.stringify({ status: "attached", spec: null, compute_ctl_config })
      ])
      const { chain } = yield* fromControlPlane(base)
      expect(seen.length).toBe(1)
      expect(chain).toContain("compute is attached, but spec is empty")
    })
  )

  it.live("may say that the compute is empty", () =>
    Effect.gen(function* () {
      const { base } = yield* answering([200, JSON.stringify({ status: "empty", spec: null, compute_ctl_config })])
      expect((yield* fromControlPlane(base)).result).toMatchObject({ _tag: "Success", success: { spec: null } })
    })
  )

  it.live("is given up when nobody answers, or nobody makes sense", () =>
    Effect.gen(function* () {
      const { base, seen, server } = yield* answering([200, '{"status":"sleeping"'])
      const garbled = yield* fromControlPlane(base)
      expect(seen.length).toBe(ATTEMPTS)
      expect(garbled.chain.at(-1)).toBe("Exhausted all attempts to retrieve the config from the control plane")
      expect(garbled.logged[0]).toContain(
        "could not deserialize control plane response: status: unknown variant `sleeping`"
      )
      expect(garbled.counted).toEqual(["200 OK", String(ATTEMPTS)])
      yield* Effect.promise(() => new Promise((resolve) => server.close(resolve)))
      const refused = yield* fromControlPlane(base)
      expect(refused.counted).toEqual(["unknown", String(ATTEMPTS)])
      expect(refused.logged[0]).toContain("could not perform request to control plane: connect ECONNREFUSED")
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
      expect(seen.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined])
      const { result, counted } = yield* fromControlPlane(base, { token: "given" })
      expect(result._tag).toBe("Success")
      expect(counted).toEqual(["200 OK", "1"])
      expect(seen.slice(2).map(({ headers }) => headers.authorization)).toEqual(["Bearer given", "Bearer given"])
      expect(other.seen.map(({ url, headers }) => [url, headers.authorization])).toEqual([
        ["/there", undefined],
        ["/there", undefined]
      ])
    })
  )

  it.live("ends a circle of redirects", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* serve((_, response) => response.writeHead(302, { location: "/again" }).end())
      const { logged } = yield* fromControlPlane(base)
      expect(logged[0]).toContain("more than 10 redirects")
      expect(seen.length).toBe(11 * ATTEMPTS)
    })
  )

  it.live("is reached through the proxy of the environment, unless excepted", () =>
    Effect.gen(function* () {
      const proxy = yield* answering([200, attached])
      const target = yield* answering([404])
      const env = { http_proxy: proxy.base, no_proxy: "127.0.0.1" }
      const far = yield* fromControlPlane("http://control-plane.invalid:9", { token: "given", env })
      expect(far.result._tag).toBe("Success")
      expect(proxy.seen.map(({ method, url, headers }) => [method, url, headers.authorization])).toEqual([
        ["GET", "http://control-plane.invalid:9/compute/api/v2/computes/compute-1/spec", "Bearer given"]
      ])
      const near = yield* fromControlPlane(target.base, { token: "given", env })
      expect(near.chain.at(-1)).toContain("404 Not Found")
      expect(proxy.seen.length).toBe(1)
    })
  )

  it.live("an address that is none is refused with its text", () =>
    Effect.gen(function* () {
      expect((yield* fromControlPlane("nowhere")).logged[0]).toContain("not a URL: nowhere/compute/api")
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
      expect((yield* source.initial).spec).toBe(null)
      file(JSON.stringify({ spec: { ...spec, project_id: "p" }, compute_ctl_config }))
      expect((yield* source.refetch).spec?.project_id).toBe("p")
    })
  )

  it.effect("that cannot be read or decoded is named, with the JSON path", () =>
    Effect.gen(function* () {
      const missing = path.join(root, "none.json")
      expect((yield* Effect.flip(initial(SpecSource.layerFile(missing)))).message).toContain(`${missing}: ENOENT`)
      const wrong = file(JSON.stringify({ spec: { ...spec, tenant_id: "zz" }, compute_ctl_config }))
      expect((yield* Effect.flip(initial(SpecSource.layerFile(wrong)))).message).toMatch(
        /config\.json: spec\.tenant_id: Invalid string length at line 1 column \d+$/
      )
      const two = file(`${JSON.stringify({ compute_ctl_config })}{}`)
      expect((yield* Effect.flip(initial(SpecSource.layerFile(two)))).message).toContain("trailing characters")
    })
  )

  it.effect("may be a bare spec, which brings no keys", () =>
    Effect.gen(function* () {
      const config = yield* initial(SpecSource.layerSpecFile(file(JSON.stringify(spec))))
      expect(config.spec?.suspend_timeout_seconds).toBe(-1)
      expect(config.compute_ctl_config).toEqual({ jwks: { keys: [] }, tls: null })
    })
  )

  it.effect("starts with the keys that can be used, and names the others in the log", () =>
    Effect.gen(function* () {
      const good = { kty: "OKP", crv: "Ed25519", x: "AA" }
      const keys = [{ ...good, alg: "ES999", kid: "new", d: "private" }, good]
      const config = yield* initial(
        SpecSource.layerFile(file(JSON.stringify({ compute_ctl_config: { jwks: { keys } } })))
      )
      expect(config.compute_ctl_config.jwks.keys).toMatchObject([{ x: "AA", alg: null }])
      expect(logged.at(-1)).toContain('jwks: key 0 (kid "new")')
      expect(logged.at(-1)).not.toContain("private")
    })
  )
})
