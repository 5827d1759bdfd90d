/**
 * Request -> response: logs, span and request id around everything; then 404, 405, and the endpoint with its middleware.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { excerpt } from "../../domain/json/Excerpt.ts"
import { httpRequestSeconds } from "../../domain/observe/MetricFamilies.ts"
import { redact } from "../../domain/observe/Redaction.ts"
import { Metrics } from "../../layers/observe/Metrics.ts"
import { empty, json, type Response } from "./answers/answers.ts"
import { forRouter, type Sent } from "./incoming/Request.ts"
import type { Resource } from "./table.ts"
import { traced } from "./tracing.ts"

/** All endpoints of a server, as the library serves them. */
export type App<R> = Effect.Effect<Response, unknown, R>

/**
 * Answers to reads that need neither the library's router nor a scope, by the path of a resource; null when this request
 * does.
 */
export type AtHand = ReadonlyMap<string, AnswerAtHand>
export type AnswerAtHand = (request: Sent) => Effect.Effect<Response> | null

const notAllowed = (allow: string): Response => HttpServerResponse.empty({ status: 405, headers: { allow } })

const failed = (cause: Cause.Cause<unknown>): Effect.Effect<Response> =>
  Cause.hasInterruptsOnly(cause)
    ? Effect.interrupt
    : Effect.as(Effect.logError("a request handler failed", cause), json(500, { error: "internal error" }))

/** The endpoint's answer, or that there is none. */
const routed = <R>(app: App<R>, resource: Resource | undefined, request: Sent) => {
  if (resource === undefined) return Effect.succeed(empty(404))
  if (!resource.methods.has(request.method)) return Effect.succeed(notAllowed(resource.allow))
  return app.pipe(Effect.provideService(HttpServerRequest.HttpServerRequest, forRouter(request, resource.url)))
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
const labelsOf = (resource: Resource | undefined, method: string, status: number, server: string) => ({
  code: String(status),
  method: resource?.methods.has(method) ? method : "other",
  route: resource?.path ?? "other",
  server
})

const isQuiet = (resource: Resource | undefined, { method }: Sent): boolean =>
  resource?.methods.get(method)?.quiet ?? false

const came = ({ method, url }: Sent): Effect.Effect<void> => Effect.logInfo(`${method} ${shown(url)}`)

/** What an answer leaves in the metrics and in the log. */
const leftBehind = (
  response: Response,
  resource: Resource | undefined,
  request: Sent,
  server: string,
  latency: number
): Effect.Effect<void, never, Metrics> => {
  const labels = labelsOf(resource, request.method, response.status, server)
  const counted = Effect.flatMap(Metrics, ({ observe }) => observe(httpRequestSeconds, labels, latency / 1000))
  return isQuiet(resource, request) ? counted : Effect.andThen(counted, logAnswer(response, latency))
}

/** The endpoint's answer with its log lines, its metric and its span. Composed by hand: every request pays for what is here. */
export const dispatch = <R>(app: App<R>, resource: Resource | undefined, request: Sent, server: string) => {
  const began = performance.now()
  const answer = Effect.flatMap(Effect.catchCause(routed(app, resource, request), failed), (response) =>
    Effect.as(leftBehind(response, resource, request, server, performance.now() - began), response)
  )
  const logged = isQuiet(resource, request) ? answer : Effect.andThen(came(request), answer)
  return traced(request, resource)(Effect.annotateLogs(logged, "request_id", request.id))
}

/** The same of an answer that is at hand. It is sent before anything is written about it, in the same turn of the event loop. */
export const dispatchAtHand = (
  known: Effect.Effect<Response>,
  resource: Resource | undefined,
  request: Sent,
  server: string,
  send: (response: Response) => Effect.Effect<void>
) => {
  const began = performance.now()
  const answer = Effect.flatMap(Effect.catchCause(known, failed), (response) => {
    const latency = performance.now() - began
    const left = leftBehind(response, resource, request, server, latency)
    const told = isQuiet(resource, request) ? left : Effect.andThen(came(request), left)
    return Effect.as(Effect.andThen(send(response), told), response)
  })
  return traced(request, resource)(Effect.annotateLogs(answer, "request_id", request.id))
}
