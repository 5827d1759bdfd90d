/**
 * The servers on free ports, with the real state and stand-ins for everything that would need a Postgres.
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import * as fs from "node:fs"
import * as http from "node:http"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { decodeJson } from "../../src/domain/json/Decode.ts"
import type { JwkSet } from "../../src/domain/spec/ComputeConfig.ts"
import { ComputeSpec } from "../../src/domain/spec/ComputeSpec.ts"
import { parseSpec } from "../../src/domain/spec/ParsedSpec.ts"
import * as catalog from "../../src/http/api/catalog.ts"
import { endpoint } from "../../src/http/api/Endpoint.ts"
import * as extensions from "../../src/http/api/extensions.ts"
import * as operations from "../../src/http/api/operations.ts"
import * as lifecycle from "../../src/http/routes/lifecycle.ts"
import * as probes from "../../src/http/routes/probes.ts"
import { empty, json, route, streamed } from "../../src/http/server/Route.ts"
import { serveRoutes } from "../../src/http/server/servers.ts"
import { Authorization } from "../../src/layers/compute/authorization/Authorization.ts"
import { ComputeState } from "../../src/layers/compute/ComputeState.ts"
import { type ComputeOptions, Options } from "../../src/layers/compute/Options.ts"
import { StopRequests } from "../../src/layers/compute/StopRequests.ts"
import { Supervisor } from "../../src/layers/compute/Supervisor.ts"
import { Waits } from "../../src/layers/compute/Waits.ts"
import { Metrics } from "../../src/layers/observe/Metrics.ts"
import { Monitor } from "../../src/layers/observe/Monitor.ts"
import { Readiness } from "../../src/layers/postgres/Readiness.ts"

export const COMPUTE = "compute-rig"
export const TENANT = "b0554b632bd4d547a63b86c3630317e8"
export const TIMELINE = "1e8a3f1d2c4b5a69788796a5b4c3d2e1"

export const spec = {
  format_version: 1,
  cluster: { roles: [], databases: [] },
  suspend_timeout_seconds: 0,
  pageserver_connstring: "postgresql://h",
  safekeeper_connstrings: ["a:1"],
  tenant_id: TENANT,
  timeline_id: TIMELINE
}

export const configuration = (more: object = {}) => ({
  spec: { ...spec, ...more },
  compute_ctl_config: { jwks: { keys: [] } }
})

export const ed25519 = generateKeyPairSync("ed25519")

export const jwkOf = (key: KeyObject, more: object = {}) => ({
  ...key.export({ format: "jwk" }),
  use: "sig",
  key_ops: ["verify"],
  alg: "EdDSA",
  kid: "key",
  ...more
})

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")

export const tokenOf = (claims: object, key: KeyObject = ed25519.privateKey, alg = "EdDSA", head: object = {}) => {
  const signed = `${encoded({ typ: "JWT", alg, ...head })}.${encoded(claims)}`
  const signature = sign(alg === "RS256" ? "RSA-SHA256" : null, Buffer.from(signed), key)
  return `${signed}.${signature.toString("base64url")}`
}

export const admin = { scope: "compute_ctl:admin", aud: ["compute"] }

export const options = (more: Partial<ComputeOptions> = {}): ComputeOptions => ({
  pgbin: "/usr/lib/postgresql/15/bin/postgres",
  pgdata: "/nonexistent",
  connstr: "postgresql://cloud_admin@127.0.0.1:1/postgres",
  computeId: COMPUTE,
  configPath: null,
  controlPlaneUri: null,
  controlPlaneToken: Redacted.make(""),
  remoteExtBaseUrl: null,
  externalHttpPort: 0,
  internalHttpPort: 0,
  internalHttpHosts: ["127.0.0.1", "::1"],
  privilegedRole: "neon_superuser",
  cgroup: "",
  filecacheConnstr: "",
  vmMonitorAddr: "",
  resizeSwapOnBind: false,
  setDiskQuotaForFs: null,
  installedExtensionsInterval: 3600,
  dev: false,
  lakebaseMode: false,
  pgInitTimeout: 60,
  logFormat: "text",
  isVm: false,
  instanceId: null,
  buildTag: "test",
  ...more
})

/** Endpoints of other areas: what is tested here is what happens before their handlers. */
export const others = [
  route(operations.promote, () => Effect.succeed(json(200, {}))),
  route(operations.prewarmState, () => Effect.succeed(json(200, {}))),
  route(operations.prewarm, ({ query }) => Effect.succeed(json(202, query))),
  route(operations.prewarmCancel, () => Effect.succeed(empty(202))),
  route(operations.offloadState, () => Effect.succeed(json(200, { status: "not_offloaded" }))),
  route(operations.offload, () => Effect.succeed(empty(202))),
  route(operations.refreshConfiguration, () => Effect.succeed(empty(200))),
  route(catalog.databaseSchema, ({ query }) =>
    Effect.succeed(streamed(200, "application/json", Stream.make(new TextEncoder().encode(query.database))))
  ),
  route(catalog.installExtension, ({ body }) => Effect.succeed(json(201, body))),
  route(catalog.setRoleGrants, ({ body }) => Effect.succeed(json(201, body))),
  route(extensions.extensionServer, ({ params, query }) => Effect.succeed(json(200, { ...params, ...query })))
]

/** A stream that goes on until nobody reads it any more. */
export const endless = (stopped: () => void) =>
  route(endpoint("endless", { method: "GET", path: "/endless", auth: false, summary: "" }), () =>
    Effect.succeed(
      streamed(
        200,
        "text/plain",
        Stream.fromEffectRepeat(Effect.as(Effect.sleep("5 millis"), new Uint8Array(100))).pipe(
          Stream.ensuring(Effect.sync(stopped))
        )
      )
    )
  )

/** Works on its own time, whoever waits for it. */
export const slow = (limit: number, done: () => void, method: "GET" | "POST" = "POST") =>
  route(endpoint("slow", { method, path: "/slow", auth: false, summary: "" }), () =>
    Effect.as(Effect.tap(Effect.sleep(limit), Effect.sync(done)), json(200, "done"))
  )

/** A spec is there and Postgres runs. */
export const running = Effect.gen(function* () {
  const state = yield* ComputeState
  const parsed = parseSpec(Result.getOrThrow(decodeJson(ComputeSpec, JSON.stringify(spec))))
  yield* state.transition("spec at start", () => ({ spec: Result.getOrThrow(parsed) }))
  yield* state.transition("started", () => ({ postgresRuns: true }))
})

const idle = {
  active: false,
  since: null,
  last_active: null,
  reasons: [],
  monitor: "watching",
  checked_at: null,
  error: null
} as never

const monitor = Layer.succeed(Monitor, {
  poll: Effect.void,
  activity: Effect.succeed(idle),
  fresh: Effect.succeed(idle),
  disregard: (work) => work,
  disregarding: Effect.void
})

const services = Layer.succeed(Supervisor, {
  run: () => Effect.void,
  current: Effect.succeed([{ name: "monitor", state: "backing off" as const, restarts: 2, lastError: "refused" }])
})

const readiness = Layer.succeed(Readiness, { check: Effect.succeed({ ready: true as const, standby: null }) })

/** What has been logged, with its fields. */
export interface Line {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export const logTo = (lines: Array<Line>) =>
  Logger.layer([
    Logger.make(({ fiber, logLevel, message }) => {
      lines.push({
        level: logLevel.toUpperCase(),
        message: (Array.isArray(message) ? message : [message]).join(" "),
        fields: fiber.getRef(References.CurrentLogAnnotations)
      })
    })
  ])

export const layer = (jwks: JwkSet, more: Partial<ComputeOptions> = {}) => {
  const settings = Layer.succeed(Options, options(more))
  return Layer.mergeAll(
    Waits.layer,
    ComputeState.layer,
    StopRequests.layer,
    monitor,
    services,
    readiness,
    settings,
    logTo([]),
    Authorization.layerFrom({ jwks, computeId: COMPUTE, open: false })
  ).pipe(Layer.provideMerge(Metrics.layer), Layer.provideMerge(settings))
}

export const keys: JwkSet = { keys: [jwkOf(ed25519.publicKey) as never] }
export const layerRig = layer(keys)

export const routes = [...lifecycle.routes, ...probes.routes, ...others]
export type Needed = (typeof routes)[number] extends {
  respond: (...args: never) => Effect.Effect<infer _, infer __, infer R>
}
  ? R
  : never

/** Both servers; `more` come first. */
export const serveAll = (more: ReadonlyArray<(typeof others)[number]> = []) =>
  Effect.all({
    external: serveRoutes<Needed>("external", [...more, ...routes]),
    internal: serveRoutes<Needed>("internal", [...more, ...routes])
  })

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export interface Asked {
  readonly port: number
  readonly host?: string
  readonly method?: string
  readonly path: string
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: string | Buffer
  readonly agent?: http.Agent
}

export const ask = ({ agent, body, headers = {}, host = "127.0.0.1", method = "GET", path, port }: Asked) =>
  Effect.callback<Answer, Error>((resume) => {
    const request = http.request({ host, port, method, path, headers, agent: agent ?? false }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk) => chunks.push(chunk))
      response.on("error", (error) => resume(Effect.fail(error)))
      response.on("end", () =>
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString()
          })
        )
      )
    })
    request.on("error", (error) => resume(Effect.fail(error)))
    request.end(body)
    return Effect.sync(() => request.destroy())
  })

export interface Recorded {
  readonly request: {
    readonly method: string
    readonly path: string
    readonly token?: object | string | null
    readonly headers?: Record<string, string>
    readonly body?: unknown
    readonly server?: "internal"
    readonly only?: ReadonlyArray<string>
  }
  readonly response: {
    readonly status: number
    readonly "content-type": string | null
    readonly body: string | Record<string, boolean>
    readonly allow?: string
  }
}

export const recorded = (name: string): ReadonlyArray<Recorded> =>
  JSON.parse(fs.readFileSync(new URL(`../golden/http/${name}.json`, import.meta.url), "utf8"))

export const bearer = (claims: object = admin) => ({ authorization: `Bearer ${tokenOf(claims)}` })
