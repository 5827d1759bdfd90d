/**
 * The span of a request, under the caller's own when it sends one.
 *
 * Names by OpenTelemetry's conventions for HTTP servers.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import { parseTraceParent } from "../../domain/observe/TraceContext.ts"
import type { Response } from "./answers/answers.ts"
import type { Sent } from "./incoming/Request.ts"
import type { Resource } from "./table.ts"

const METHODS: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"]
])

/** What a client made up names no span: there would be no end of them. */
const nameOf = (method: string, route: string | undefined): string =>
  [METHODS.has(method) ? method : "HTTP", ...(route === undefined ? [] : [route])].join(" ")

/** No header goes into the attributes: one of them is the token. */
const attributesOf = ({ method, path, query }: Sent, route: string | undefined): Record<string, string> => ({
  ...(METHODS.has(method)
    ? { "http.request.method": method }
    : { "http.request.method": "_OTHER", "http.request.method_original": method }),
  ...(route !== undefined && { "http.route": route }),
  "network.protocol.name": "http",
  "network.protocol.version": "1.1",
  "url.scheme": "http",
  "url.path": path,
  ...(query !== undefined && { "url.query": query })
})

/** Spans that nobody collects are not made: the tracer that is there by default drops them. */
const uncollected = Context.get(Context.empty(), Tracer.Tracer)

const underSpan = <E, R>(request: Sent, route: string | undefined, effect: Effect.Effect<Response, E, R>) => {
  const parent = parseTraceParent(String(request.message.headers["traceparent"] ?? ""))
  return Effect.useSpan(
    nameOf(request.method, route),
    {
      kind: "server",
      attributes: attributesOf(request, route),
      ...(parent === null ? { root: true } : { parent: Tracer.externalSpan(parent) })
    },
    (span) =>
      effect.pipe(
        Effect.provideService(Tracer.ParentSpan, span),
        Effect.tap(({ status }) =>
          Effect.sync(() => {
            span.attribute("http.response.status_code", status)
            if (status >= 500) span.attribute("error.type", String(status))
          })
        )
      )
  )
}

/** Of what is asked all the time by machines there is no trace, nor of anything that is done for it. */
export const traced =
  (request: Sent, resource: Resource | undefined) =>
  <E, R>(effect: Effect.Effect<Response, E, R>): Effect.Effect<Response, E, R> =>
    Effect.flatMap(Tracer.Tracer, (tracer) => {
      if (tracer === uncollected) return effect
      return resource?.methods.get(request.method)?.polled === true
        ? Effect.withTracerEnabled(effect, false)
        : underSpan(request, resource?.path, effect)
    })
