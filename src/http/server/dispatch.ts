/**
 * Request -> response: logs, span and request id around everything; then 404, 405, authorization, the route.
 */

import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { excerpt } from "../../domain/json/Excerpt.ts"
import { httpRequestSeconds } from "../../domain/observe/MetricFamilies.ts"
import { redact } from "../../domain/observe/Redaction.ts"
import { Authorization } from "../../layers/compute/authorization/Authorization.ts"
import type { Unauthorized } from "../../layers/compute/authorization/Unauthorized.ts"
import { Metrics } from "../../layers/observe/Metrics.ts"
import { Rejection } from "./Rejection.ts"
import type { Request } from "./Request.ts"
import { type ApiError, empty, json, plain, type Response, type Route } from "./Route.ts"
import { decodeParams, type Match } from "./router.ts"
import { traced } from "./tracing.ts"

const notAllowed = (allow: string): Response => HttpServerResponse.empty({ status: 405, headers: { allow } })

/** Errors of ours are logged; how a client misspelled its request is not. */
const refused = (status: number, text: string, details: object = {}): Effect.Effect<Response> =>
  Effect.as(Effect.logError(text), json(status, { error: text, ...details }))

const rejected = ({ endpoint }: Route<unknown>, { status, text }: Rejection): Response =>
  endpoint.rejections === "json"
    ? json(status, { error: text.toLowerCase() })
    : plain(status, "text/plain; charset=utf-8", text)

const failed = (cause: Cause.Cause<never>): Effect.Effect<Response> =>
  Cause.hasInterruptsOnly(cause)
    ? Effect.failCause(cause)
    : Effect.as(Effect.logError("a request handler failed", cause), json(500, { error: "internal error" }))

const run = <R>(route: Route<R>, request: Request, params: Match<R>["params"]) => {
  const decoded = decodeParams(params)
  return decoded instanceof Rejection ? decoded : route.respond(request, decoded)
}

const answered = <R>(
  route: Route<R>,
  effect: Effect.Effect<Response, ApiError | Rejection | Unauthorized, R>
): Effect.Effect<Response, never, R> =>
  Effect.catchCause(
    Effect.catch(effect, (error) =>
      error._tag === "Rejection"
        ? Effect.succeed(rejected(route, error))
        : refused(error.status, error.text, error._tag === "ApiError" ? error.details : undefined)
    ),
    failed
  )

const routed = <R>(
  match: Match<R> | undefined,
  request: Request
): Effect.Effect<Response, never, R | Authorization> => {
  if (match === undefined) return Effect.succeed(empty(404))
  const route = match.resource.methods.get(request.method)
  if (route === undefined) return Effect.succeed(notAllowed(match.resource.allow))
  const effect = Effect.suspend(() => run(route, request, match.params))
  return answered(
    route,
    route.endpoint.auth
      ? Effect.flatMap(Authorization, ({ check }) => Effect.andThen(check(request.headers.authorization), effect))
      : effect
  )
}

const logAnswer = (response: Response, latency: number): Effect.Effect<void> => {
  const milliseconds = Math.floor(latency)
  const answer = Effect.annotateLogs(Effect.logInfo(), { code: response.status, latency: milliseconds })
  if (response.status < 500) return answer
  return Effect.andThen(
    answer,
    Effect.annotateLogs(Effect.logError("response failed"), {
      classification: `Status code: ${response.status}`,
      latency: `${milliseconds} ms`
    })
  )
}

/** Characters of a URL in the log. Cut behind the search for secrets: half a secret looks like no secret. */
const SHOWN = 200

const shown = (url: string): string => (url.length <= SHOWN ? url : excerpt(redact(url), SHOWN))

/** Names nothing a client could choose: there would be no end of series. */
const labelsOf = <R>(match: Match<R> | undefined, method: string, status: number, server: string) => ({
  code: String(status),
  method: match?.resource.methods.has(method) ? method : "other",
  route: match?.resource.path ?? "other",
  server
})

/** The answer to a request that the table has been asked for. Composed by hand: every request pays for what is here. */
export const dispatch = <R>(
  match: Match<R> | undefined,
  request: Request,
  server: string
): Effect.Effect<Response, never, R | Authorization | Metrics> => {
  const quiet = match?.resource.methods.get(request.method)?.endpoint.quiet ?? false
  const began = performance.now()
  const answer = Effect.flatMap(routed(match, request), (response) => {
    const latency = performance.now() - began
    const labels = labelsOf(match, request.method, response.status, server)
    const counted = Effect.flatMap(Metrics, ({ observe }) => observe(httpRequestSeconds, labels, latency / 1000))
    return Effect.as(quiet ? counted : Effect.andThen(counted, logAnswer(response, latency)), response)
  })
  const logged = quiet ? answer : Effect.andThen(Effect.logInfo(`${request.method} ${shown(request.url)}`), answer)
  return traced(request)(Effect.annotateLogs(logged, "request_id", request.id))
}
