/**
 * The servers on free ports, with the real state and stand-ins for everything that would need a Postgres.
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import * as fs from "node:fs"
import * as http from "node:http"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { ExtensionRequest, SchemaGrant } from "../../src/domain/catalog/Requests.ts"
import { decodeJson } from "../../src/domain/json/decode/Decode.ts"
import type { JwkSet } from "../../src/domain/spec/ComputeConfig.ts"
import { ComputeSpec } from "../../src/domain/spec/ComputeSpec.ts"
import { parseSpec } from "../../src/domain/spec/ParsedSpec.ts"
import { External, Internal } from "../../src/http/api/Api.ts"
import { PlanRequest } from "../../src/http/api/catalog.ts"
import { atHand } from "../../src/http/routes/atHand.ts"
import { lifecycle } from "../../src/http/routes/lifecycle.ts"
import { pages } from "../../src/http/routes/pages.ts"
import { probes } from "../../src/http/routes/probes.ts"
import { empty, json, type Response, withBody, withExplainedBody } from "../../src/http/server/answers/answers.ts"
import * as middleware from "../../src/http/server/middleware.ts"
import { serveApi } from "../../src/http/server/servers.ts"
import { Authorization } from "../../src/layers/compute/authorization/Authorization.ts"
import { ComputeState } from "../../src/layers/compute/ComputeState.ts"
import { History } from "../../src/layers/compute/History.ts"
import { type ComputeOptions, Options } from "../../src/layers/compute/Options.ts"
import { Supervisor } from "../../src/layers/compute/Supervisor.ts"
import { StopRequests } from "../../src/layers/compute/stop/StopRequests.ts"
import { Waits } from "../../src/layers/compute/Waits.ts"
import { PostgresExporter } from "../../src/layers/neighbours/exporter/PostgresExporter.ts"
import { Metrics } from "../../src/layers/observe/Metrics.ts"
import { Monitor } from "../../src/layers/observe/Monitor.ts"
import { Readiness } from "../../src/layers/postgres/Readiness.ts"
import { Sql } from "../../src/layers/sql/Sql.ts"
import { Promotion } from "../../src/programs/run/background/promote.ts"

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
const catalog = HttpApiBuilder.group(External, "catalog", (handlers) =>
  handlers
    .handleAll({
      dbs_and_roles: () => Effect.succeed(json(200, {})),
      database_schema: ({ query }) => Effect.succeed(Stream.make(new TextEncoder().encode(query.database))),
      insights: () => Effect.succeed(""),
      postgres: () => Effect.succeed(json(200, {})),
      check_writability: () => Effect.succeed(true as const),
      last_apply: () => Effect.succeed(null),
      plan: () => Effect.succeed(json(200, {}))
    })
    .handleRaw("plan_for", ({ endpoint }) =>
      withExplainedBody(PlanRequest, endpoint, (_, unread) => Effect.succeed(json(200, { unread })))
    )
)

const lfc = HttpApiBuilder.group(External, "lfc", (handlers) =>
  handlers.handleAll({
    lfc_prewarm_state: () => Effect.succeed(json(200, {})),
    lfc_prewarm: ({ query }) => Effect.succeed(json(202, query)),
    lfc_prewarm_cancel: () => Effect.void,
    lfc_offload_state: () => Effect.succeed({ status: "not_offloaded" }),
    lfc_offload: () => Effect.void
  })
)

const internal = HttpApiBuilder.group(Internal, "internal", (handlers) =>
  handlers
    .handleRaw("install_extension", ({ endpoint }) =>
      withBody(ExtensionRequest, endpoint, (body) => Effect.succeed(json(201, body)))
    )
    .handleRaw("set_role_grants", ({ endpoint }) => withBody(SchemaGrant, endpoint, Effect.succeed))
    .handle("extension_server", ({ params, query }) =>
      Effect.succeed(json(200, { ...params, is_library: query.is_library ?? false }))
    )
    .handle("refresh_configuration", () => Effect.void)
    .handleRaw("failpoints", () => Effect.succeed(empty(404)))
)

/** Endpoints of tests: `GET /extra` and `POST /extra`. */
const Extra = HttpApiGroup.make("extra", { topLevel: true }).add(
  HttpApiEndpoint.get("extra_get", "/extra"),
  HttpApiEndpoint.post("extra_post", "/extra")
)

export interface More {
  readonly get?: Effect.Effect<Response>
  readonly post?: Effect.Effect<Response>
}

const Extended = HttpApi.make("external").addHttpApi(External).add(Extra)

const extra = ({ get = Effect.succeed(empty(404)), post = Effect.succeed(empty(404)) }: More) =>
  HttpApiBuilder.group(Extended, "extra", (handlers) =>
    handlers.handleAll({ extra_get: () => get, extra_post: () => post })
  )

/** A stream that goes on until nobody reads it any more. */
export const endless = (begun: () => void, stopped: () => void): Effect.Effect<Response> =>
  Effect.succeed(
    HttpServerResponse.stream(
      Stream.fromEffectRepeat(
        Effect.as(Effect.andThen(Effect.sync(begun), Effect.sleep("5 millis")), new Uint8Array(100))
      ).pipe(Stream.ensuring(Effect.sync(stopped))),
      { contentType: "text/plain" }
    )
  )

/** Something that is done for a request: what has become of it, and when it may end. */
export const work = Effect.map(Deferred.make<void>(), (free) => {
  let state: "not begun" | "begun" | "done" | "interrupted" = "not begun"
  const become = (next: typeof state) =>
    Effect.sync(() => {
      state = next
    })
  const answer: Effect.Effect<Response> = become("begun").pipe(
    Effect.andThen(Deferred.await(free)),
    Effect.andThen(become("done")),
    Effect.onInterrupt(() => become("interrupted")),
    Effect.as(json(200, "done"))
  )
  return { answer, state: () => state, free: Deferred.succeed(free, undefined) }
})

/** A spec is there and Postgres runs. */
export const running = Effect.gen(function* () {
  const state = yield* ComputeState
  const parsed = parseSpec(Result.getOrThrow(decodeJson(ComputeSpec, JSON.stringify(spec))))
  yield* state.transition("spec at start", () => ({ spec: Result.getOrThrow(parsed) }))
  yield* state.transition("started", () => ({ postgresRuns: true }))
})

const promotion = Layer.succeed(Promotion, { promote: () => Effect.succeed({ status: "not_promoted" }) })

/** Nobody asks it here. */
const noSql = Sql.layerTo("postgresql://u@127.0.0.1:1/d")

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
    promotion,
    PostgresExporter.layer.pipe(Layer.provide(settings)),
    settings,
    logTo([]),
    Authorization.layerFrom({ jwks, computeId: COMPUTE, open: false })
  ).pipe(
    Layer.provideMerge(noSql),
    Layer.provideMerge(Layer.merge(Metrics.layer, History.layer)),
    Layer.provideMerge(settings)
  )
}

export const keys: JwkSet = { keys: [jwkOf(ed25519.publicKey) as never] }
export const layerRig = layer(keys)

/** Both servers, with more endpoints on the external one. `isDirect` false: nothing goes past the library's router. */
export const serveAll = (more: More = {}, isDirect = true) =>
  Effect.all({
    external: Effect.flatMap(isDirect ? atHand : Effect.succeed(undefined), (known) =>
      serveApi(
        Extended,
        HttpRouter.toHttpEffect(
          HttpApiBuilder.layer(Extended).pipe(
            Layer.provide(Layer.mergeAll(lifecycle, probes, catalog, lfc, pages, extra(more))),
            Layer.provide(Layer.merge(middleware.layer, HttpServer.layerServices))
          )
        ),
        known
      )
    ),
    internal: serveApi(
      Internal,
      HttpRouter.toHttpEffect(
        HttpApiBuilder.layer(Internal).pipe(
          Layer.provide(internal),
          Layer.provide(Layer.merge(middleware.layerOpen, HttpServer.layerServices))
        )
      )
    )
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
