/**
 * The span of a request, under the caller's own when it sends one.
 *
 * Source: W3C Trace Context, version 00; names by OpenTelemetry's conventions for HTTP servers.
 */
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Request } from "./Request.ts"
import type { Response } from "./Route.ts"

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

export const parentOf = (traceparent: string | undefined): Option.Option<Tracer.ExternalSpan> => {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? "") ?? []
  if (traceId === undefined || spanId === undefined || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return Option.none()
  return Option.some(Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags ?? "0", 16) & 1) === 1 }))
}

/** No header goes into the attributes: one of them is the token. */
const attributesOf = (request: Request): Record<string, string> => ({
  "http.request.method": request.method,
  "network.protocol.name": "http",
  "network.protocol.version": "1.1",
  "url.path": request.path,
  ...(request.query !== undefined && { "url.query": request.query })
})

/** Spans that nobody collects are not made: the tracer that is there by default drops them. */
const uncollected = Context.get(DefaultServices.liveServices, Tracer.Tracer)

const underSpan = <E, R>(request: Request, effect: Effect.Effect<Response, E, R>): Effect.Effect<Response, E, R> => {
  const parent = parentOf(String(request.headers["traceparent"] ?? ""))
  return Effect.useSpan(
    "HTTP",
    {
      kind: "server",
      attributes: attributesOf(request),
      ...(parent._tag === "Some" ? { parent: parent.value } : { root: true })
    },
    (span) =>
      effect.pipe(
        Effect.mapInputContext((context: Context.Context<R>) => Context.add(context, Tracer.ParentSpan, span)),
        Effect.tap((response) => Effect.sync(() => span.attribute("http.response.status_code", response.status)))
      )
  )
}

export const traced =
  (request: Request) =>
  <E, R>(effect: Effect.Effect<Response, E, R>): Effect.Effect<Response, E, R> =>
    Effect.tracerWith((tracer) => (tracer === uncollected ? effect : underSpan(request, effect)))
