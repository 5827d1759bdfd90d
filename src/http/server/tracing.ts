/**
 * The span of a request, under the caller's own when it sends one.
 *
 * Names by OpenTelemetry's conventions for HTTP servers.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import { parseTraceParent } from "../../domain/observe/TraceContext.ts"
import type { Response } from "./answers.ts"
import type { Sent } from "./Request.ts"

/** No header goes into the attributes: one of them is the token. */
const attributesOf = (request: Sent): Record<string, string> => ({
  "http.request.method": request.method,
  "network.protocol.name": "http",
  "network.protocol.version": "1.1",
  "url.path": request.path,
  ...(request.query !== undefined && { "url.query": request.query })
})

/** Spans that nobody collects are not made: the tracer that is there by default drops them. */
const uncollected = Context.get(Context.empty(), Tracer.Tracer)

const underSpan = <E, R>(request: Sent, effect: Effect.Effect<Response, E, R>): Effect.Effect<Response, E, R> => {
  const parent = parseTraceParent(String(request.message.headers["traceparent"] ?? ""))
  return Effect.useSpan(
    "HTTP",
    {
      kind: "server",
      attributes: attributesOf(request),
      ...(parent === null ? { root: true } : { parent: Tracer.externalSpan(parent) })
    },
    (span) =>
      effect.pipe(
        Effect.provideService(Tracer.ParentSpan, span),
        Effect.tap((response) => Effect.sync(() => span.attribute("http.response.status_code", response.status)))
      )
  )
}

export const traced =
  (request: Sent) =>
  <E, R>(effect: Effect.Effect<Response, E, R>): Effect.Effect<Response, E, R> =>
    Effect.flatMap(Tracer.Tracer, (tracer) => (tracer === uncollected ? effect : underSpan(request, effect)))
