/**
 * The two servers of the API. The external one is for the control plane, with tokens; the internal one is for the processes
 * of this compute, without, and therefore on loopback only.
 *
 * Source: `compute_tools/src/http/server.rs`.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Authorization } from "../../layers/compute/authorization/Authorization.ts"
import { Options } from "../../layers/compute/Options.ts"
import * as Connections from "../../layers/http/connections/Connections.ts"
import type { Metrics } from "../../layers/observe/Metrics.ts"
import { Readiness } from "../../layers/postgres/Readiness.ts"
import type { Audience } from "../api/Endpoint.ts"
import { type Requirements, routes } from "../routes/all.ts"
import {
  bind,
  type CannotListen,
  display,
  type Listener,
  lacksAddress,
  type PortInUse,
  type Serving
} from "./listen.ts"
import type { Route } from "./Route.ts"
import * as Requests from "./requests.ts"

export { CannotListen, PortInUse } from "./listen.ts"

export interface Listening {
  readonly port: number
  /** `[::]:3080` */
  readonly addresses: ReadonlyArray<string>
}

/** Of each server. */
const MAX_CONNECTIONS = 1000

/** The first address the machine has. */
const bindFirst = (audience: Audience, hosts: ReadonlyArray<string>, port: number, serving: Serving) =>
  Effect.gen(function* () {
    let missing: CannotListen | PortInUse | undefined
    for (const host of hosts) {
      const bound = yield* Effect.result(bind(audience, host, port, serving))
      if (bound._tag === "Success") return [bound.success]
      missing = bound.failure
      if (!lacksAddress(missing)) break
    }
    return missing === undefined ? [] : yield* Effect.fail(missing)
  })

/** Every address the machine has, with the same port. */
const bindAll = (audience: Audience, hosts: ReadonlyArray<string>, port: number, serving: Serving) =>
  Effect.gen(function* () {
    const bound: Array<Listener> = []
    let missing: CannotListen | PortInUse | undefined
    for (const host of hosts) {
      const next = yield* Effect.result(bind(audience, host, bound[0]?.port ?? port, serving))
      if (next._tag === "Success") bound.push(next.success)
      else if (lacksAddress(next.failure)) missing = next.failure
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

/** The routes of one audience, served until the scope closes. */
export const serveRoutes = <R>(
  audience: Audience,
  all: ReadonlyArray<Route<R>>
): Effect.Effect<
  Listening,
  PortInUse | CannotListen,
  Exclude<R, Scope.Scope> | Authorization | Metrics | Options | Scope.Scope
> =>
  Effect.gen(function* () {
    yield* Effect.logInfo(`Launching the ${audience} server`)
    const options = yield* Options
    const probes = all.flatMap(({ endpoint }) =>
      endpoint.quiet && endpoint.server === audience ? [endpoint.path] : []
    )
    const connections = yield* Connections.make({ server: audience, limit: MAX_CONNECTIONS, probes })
    const serving = { ...(yield* Requests.make(all, audience)), connections }
    // Dual stack: some clusters have IPv6 only, some machines have none.
    const bound =
      audience === "external"
        ? yield* bindFirst(audience, ["::", "0.0.0.0"], options.externalHttpPort, serving)
        : yield* bindAll(audience, options.internalHttpHosts, options.internalHttpPort, serving)
    return yield* announce(audience, bound)
  })

export const serveExternal = serveRoutes<Requirements>("external", routes).pipe(
  Effect.provide(Layer.merge(Authorization.layer, Readiness.layer))
)

export const serveInternal = serveRoutes<Requirements>("internal", routes).pipe(
  // No route of this server asks for it.
  Effect.provide(Readiness.layer),
  Effect.provideService(
    Authorization,
    Authorization.of({ check: () => Effect.succeed(null), adopt: () => Effect.void, keys: Effect.succeed([]) })
  )
)

/** Both servers until the scope closes. Fails when one cannot listen. */
export const serve = Effect.all({ external: serveExternal, internal: serveInternal })
