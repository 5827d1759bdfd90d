/**
 * The span of a request.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { json } from "../../../src/http/server/answers/answers.ts"
import * as rig from "../rig.ts"

interface Made {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly attributes: Map<string, unknown>
}

const collector = (made: Array<Made>) => {
  const span = (name: string, parent: Option.Option<Tracer.AnySpan>, kind: Tracer.SpanKind): Tracer.Span => {
    const attributes = new Map<string, unknown>()
    made.push({ name, kind, parent, attributes })
    return {
      _tag: "Span",
      name,
      spanId: `${made.length}`.padStart(16, "0"),
      traceId: Option.match(parent, { onNone: () => "f".repeat(32), onSome: ({ traceId }) => traceId }),
      parent,
      annotations: Context.empty(),
      status: { _tag: "Started", startTime: 0n },
      attributes,
      links: [],
      sampled: true,
      kind,
      end: () => undefined,
      attribute: (key, value) => void attributes.set(key, value),
      event: () => undefined,
      addLinks: () => undefined
    }
  }
  return Layer.succeed(Tracer.Tracer, Tracer.make({ span: ({ kind, name, parent }) => span(name, parent, kind) }))
}

const parentOf = (made: Made | undefined) => made && Option.getOrUndefined(made.parent)

const TRACE = "0af7651916cd43dd8448eb211c80319c"
const traceparent = `00-${TRACE}-b7ad6b7169203331-01`

describe("a request's span", () => {
  it.live("continues the caller's trace, and has no header in it", () => {
    const made: Array<Made> = []
    const get = Effect.as(Effect.withSpan(Effect.void, "inside"), json(200, 1))
    return Effect.gen(function* () {
      const { external } = yield* rig.serveAll({ get })
      const headers = rig.bearer()
      yield* rig.ask({ port: external.port, path: "/extra?a=b", headers: { ...headers, traceparent } })
      const [http, inside] = made
      assert.deepInclude(http, { name: "GET /extra", kind: "server" })
      assert.deepInclude(parentOf(http), {
        traceId: TRACE,
        spanId: "b7ad6b7169203331"
      })
      assert.deepStrictEqual(Object.fromEntries(http?.attributes ?? []), {
        "http.request.method": "GET",
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
        "url.scheme": "http",
        "url.path": "/extra",
        "url.query": "a=b",
        "http.route": "/extra",
        "http.response.status_code": 200
      })
      assert.strictEqual(parentOf(inside)?.traceId, TRACE)
      assert.notInclude(JSON.stringify(made.map(({ attributes }) => [...attributes])), headers.authorization.slice(7))
    }).pipe(Effect.provide(collector(made)), Effect.provide(rig.layerRig))
  })

  it.live("begins a trace of its own without one", () => {
    const made: Array<Made> = []
    return Effect.gen(function* () {
      const { external } = yield* rig.serveAll()
      yield* rig.ask({ port: external.port, path: "/nope" })
      assert.strictEqual(made.length, 2)
      assert.strictEqual(made[1]?.parent._tag, "None")
      assert.strictEqual(made[1]?.attributes.get("http.response.status_code"), 404)
    }).pipe(Effect.withSpan("outer"), Effect.provide(collector(made)), Effect.provide(rig.layerRig))
  })
})
