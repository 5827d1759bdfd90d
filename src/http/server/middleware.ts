/**
 * The middleware of the API at work.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { Authorization } from "../../layers/compute/authorization/Authorization.ts"
import { Authorized, Inputs, Refusals } from "../api/middleware.ts"
import { BadRequest, Forbidden, isRefusal, Unauthorized } from "../api/shapes/Refusal.ts"
import { rejected } from "./answers/answers.ts"
import { paramsOf, queryOf } from "./incoming/query.ts"

const DENIED = { 400: BadRequest, 401: Unauthorized, 403: Forbidden } as const

/** The scheme is looked at by `check`, whose texts are the recorded ones. */
const authorized = Layer.effect(
  Authorized,
  Effect.map(Authorization, ({ check }) =>
    Authorized.of({
      token: (handler) =>
        Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
          Effect.mapError(check(headers["authorization"]), ({ status, text }) => DENIED[status].make({ error: text }))
        ).pipe(Effect.andThen(handler))
    })
  )
)

const inputs = Layer.succeed(Inputs, (handler, { endpoint }) =>
  Effect.gen(function* () {
    const { originalUrl } = yield* HttpServerRequest.HttpServerRequest
    const params = paramsOf(endpoint, originalUrl)
    if (Result.isFailure(params)) return rejected(endpoint, params.failure)
    const query = queryOf(endpoint, originalUrl)
    if (Result.isFailure(query)) return rejected(endpoint, query.failure)
    const { route } = yield* HttpRouter.RouteContext
    return yield* handler.pipe(
      Effect.provideService(HttpServerRequest.ParsedSearchParams, query.success),
      Effect.provideService(HttpRouter.RouteContext, { route, params: params.success })
    )
  })
)

/** Errors of ours are logged; how a client misspelled its request is not. */
const refusals = Layer.succeed(Refusals, (handler) =>
  Effect.tapError(handler, (error: unknown) => (isRefusal(error) ? Effect.logError(error.error) : Effect.void))
)

/** Of a server that asks for no token. */
export const layerOpen = Layer.merge(inputs, refusals)

export const layer = Layer.merge(authorized, layerOpen)
