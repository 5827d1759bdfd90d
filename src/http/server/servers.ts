/**
 * The two servers of the API. The external one is for the control plane, with tokens; the internal one is for the processes
 * of this compute, without, and therefore on loopback only.
 *
 * Source: `compute_tools/src/http/server.rs`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { Authorization } from "../../layers/compute/authorization/Authorization.ts"
import { Options } from "../../layers/compute/Options.ts"
import * as Connections from "../../layers/http/connections/Connections.ts"
import type { Metrics } from "../../layers/observe/Metrics.ts"
import { Readiness } from "../../layers/postgres/Readiness.ts"
import { External, Internal } from "../api/Api.ts"
import { type Audience, Quiet } from "../api/traits.ts"
import { externalRoutes, internalRoutes } from "../routes/all.ts"
import { atHand } from "../routes/atHand.ts"
import type { App, AtHand } from "./dispatch.ts"
import {
  bind,
  type CannotListen,
  display,
  type Listener,
  lacksAddress,
  type PortInUse,
  type Serving
} from "./incoming/listen.ts"
import * as Requests from "./incoming/requests.ts"
import { endpointsOf, table } from "./table.ts"

export { CannotListen, PortInUse } from "./incoming/listen.ts"

export interface Listening {
  readonly port: number
  /** `[::]:3080` */
  readonly addresses: ReadonlyArray<string>
}

/** Of each server. */
const MAX_CONNECTIONS = 1000

/** Addresses of these that the machine has, `most` at most, with the same port. */
const bindSome = Effect.fnUntraced(function* (
  audience: Audience,
  hosts: ReadonlyArray<string>,
  port: number,
  serving: Serving,
  most: number
) {
  const bound: Array<Listener> = []
  let missing: CannotListen | PortInUse | undefined
  for (const host of hosts) {
    const next = yield* Effect.result(bind(audience, host, bound[0]?.port ?? port, serving))
    if (next._tag === "Success") {
      if (bound.push(next.success) === most) break
    } else if (lacksAddress(next.failure)) missing = next.failure
    else return yield* Effect.fail(next.failure)
  }
  return missing === undefined || bound.length > 0 ? bound : yield* Effect.fail(missing)
})

const announce = (audience: Audience, bound: ReadonlyArray<Listener>): Effect.Effect<Listening> => {
  const addresses = bound.map(display)
  return Effect.forEach(addresses, (address) =>
    Effect.logInfo(`compute_ctl ${audience} HTTP server listening at ${address}`)
  ).pipe(Effect.as({ port: bound[0]?.port ?? 0, addresses }))
}

/** What a server was begun under: a request has its own. */
const unbegun = <R>(context: Context.Context<R>): Context.Context<R> =>
  Context.makeUnsafe(
    new Map(
      [...context.mapUnsafe].filter(
        ([key]) => key !== Tracer.ParentSpan.key && key !== References.CurrentLogAnnotations.key
      )
    )
  )

/** An API with what answers it, served until the scope closes. `atHand`: of its reads those that can be had for less. */
export const serveApi = <Id extends Audience, Groups extends HttpApiGroup.Constraint, R, R2>(
  api: HttpApi.HttpApi<Id, Groups>,
  routes: Effect.Effect<App<R>, never, R2>,
  atHand: AtHand = new Map()
): Effect.Effect<Listening, PortInUse | CannotListen, Requests.Needs<R> | R2 | Metrics | Options | Scope.Scope> =>
  Effect.gen(function* () {
    const audience = api.identifier
    yield* Effect.logInfo(`Launching the ${audience} server`)
    const options = yield* Options
    const probes = endpointsOf(api).flatMap(({ annotations, path }) => (Context.get(annotations, Quiet) ? [path] : []))
    const connections = yield* Connections.make({ server: audience, limit: MAX_CONNECTIONS, probes })
    const app = yield* Effect.updateContext(routes, unbegun<R2>)
    const serving = { ...(yield* Requests.make(app, table(api), audience, atHand)), connections }
    // Dual stack: some clusters have IPv6 only, some machines have none.
    const bound =
      audience === "external"
        ? yield* bindSome(audience, ["::", "0.0.0.0"], options.externalHttpPort, serving, 1)
        : yield* bindSome(
            audience,
            options.internalHttpHosts,
            options.internalHttpPort,
            serving,
            Number.POSITIVE_INFINITY
          )
    return yield* announce(audience, bound)
  })

export const serveExternal = Effect.flatMap(atHand, (known) => serveApi(External, externalRoutes, known)).pipe(
  Effect.provide(Layer.merge(Authorization.layer, Readiness.layer))
)

export const serveInternal = serveApi(Internal, internalRoutes)
