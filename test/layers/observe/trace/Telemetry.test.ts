import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Log } from "../../../../src/layers/observe/log/Log.ts"
import { Telemetry } from "../../../../src/layers/observe/trace/Telemetry.ts"
import { traceCollector } from "../../traceCollector.ts"

const TRACE = "0af7651916cd43dd8448eb211c80319c"
const PARENT = "b7ad6b7169203331"

const traced = <A, E>(program: Effect.Effect<A, E, Telemetry>, env: Readonly<Record<string, string>>) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const write = (line: string) => lines.push(line) > 0
    return program.pipe(
      Effect.provide(Telemetry.layer(env, { id: "compute-1", version: "release-7" })),
      Effect.provide(Log.layer({ format: "text", write })),
      Effect.as(lines)
    )
  })

const start = Effect.flatMap(Telemetry, ({ underParent }) =>
  underParent(
    Effect.logInfo("password=hunter2 in a log").pipe(
      Effect.andThen(Effect.annotateLogs(Effect.logInfo(), "code", 200)),
      Effect.withSpan("get_basebackup", { attributes: { lsn: "0/16B5A50", bytes: 12, token: "hunter2" } }),
      Effect.withSpan("start_compute", { attributes: { "http.request.header.authorization": "Bearer hunter2" } })
    )
  )
)

describe("Telemetry", () => {
  for (const protocol of ["http/protobuf", "http/json"]) {
    it.live(`exports spans as ${protocol}, under the parent from the environment, without secrets`, () =>
      Effect.gen(function* () {
        const { url, received } = yield* traceCollector()
        yield* traced(start, {
          OTEL_EXPORTER_OTLP_ENDPOINT: url,
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
          OTEL_EXPORTER_OTLP_HEADERS: "x-key=v",
          OTEL_EXPORTER_OTLP_COMPRESSION: protocol === "http/json" ? "gzip" : "none",
          TRACEPARENT: `00-${TRACE}-${PARENT}-01`
        })
        assert.lengthOf(received, 1)
        const [{ headers, path, resource, spans, text }] = received as [(typeof received)[0]]
        assert.strictEqual(path, "/v1/traces")
        assert.strictEqual(headers["x-key"], "v")
        assert.deepStrictEqual(resource, {
          "service.name": "compute_ctl",
          "service.version": "release-7",
          "service.instance.id": "compute-1"
        })
        const [inner, outer] = spans
        assert.deepStrictEqual([outer?.name, outer?.traceId, outer?.parentSpanId], ["start_compute", TRACE, PARENT])
        assert.deepStrictEqual(
          [inner?.name, inner?.traceId, inner?.parentSpanId],
          ["get_basebackup", TRACE, outer?.spanId]
        )
        assert.strictEqual(inner?.attributes["lsn"], "0/16B5A50")
        assert.strictEqual(inner?.attributes["bytes"], "12")
        assert.deepStrictEqual(inner?.events, ["password=<redacted> in a log"])
        assert.notInclude(text, "fiberId")
        assert.isTrue((outer?.nanos ?? 0n) >= (inner?.nanos ?? 0n))
        assert.notInclude(text, "hunter2")
      })
    )
  }

  it.live("prefers the request that delivered the spec to the environment, and takes either once", () =>
    Effect.gen(function* () {
      const { url, received } = yield* traceCollector()
      yield* traced(
        Effect.gen(function* () {
          const telemetry = yield* Telemetry
          yield* start
          yield* telemetry.remember
          yield* telemetry.remember.pipe(Effect.withSpan("HTTP"))
          yield* start
          yield* start
        }),
        { OTEL_EXPORTER_OTLP_ENDPOINT: url, TRACEPARENT: `00-${TRACE}-${PARENT}-01` }
      )
      const spans = received.flatMap((request) => request.spans)
      const http = spans.find(({ name }) => name === "HTTP")
      const starts = spans.filter(({ name }) => name === "start_compute")
      assert.deepStrictEqual(
        starts.map(({ parentSpanId }) => parentSpanId),
        [PARENT, http?.spanId, ""]
      )
    })
  )

  it.live("marks failures and server errors", () =>
    Effect.gen(function* () {
      const { url, received } = yield* traceCollector()
      yield* traced(
        Effect.gen(function* () {
          yield* Effect.ignore(Effect.withSpan(Effect.fail(new Error("postgres://u:hunter2@h refused")), "fails"))
          yield* Effect.withSpan(Effect.void, "answers 500", { attributes: { "http.response.status_code": 500 } })
          for (const kind of ["server", "client"] as const) {
            const attributes = { "http.response.status_code": 404 }
            yield* Effect.withSpan(Effect.void, `404 of a ${kind}`, { kind, attributes })
          }
          yield* Effect.withSpan(Effect.void, "fine")
        }),
        { OTEL_EXPORTER_OTLP_ENDPOINT: url }
      )
      const spans = received.flatMap((request) => request.spans)
      assert.deepStrictEqual(
        spans.map(({ name, status }) => [name, status]),
        [
          ["fails", 2],
          ["answers 500", 2],
          ["404 of a server", 0],
          ["404 of a client", 2],
          ["fine", 0]
        ]
      )
      assert.deepStrictEqual(spans[0]?.events, ["exception"])
      assert.notInclude(received[0]?.text ?? "", "hunter2")
    })
  )

  it.live("does not sample what the parent does not", () =>
    Effect.gen(function* () {
      const { url, received } = yield* traceCollector()
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url, TRACEPARENT: `00-${TRACE}-${PARENT}-00` }
      yield* traced(start, env)
      yield* traced(start, { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_TRACES_SAMPLER: "always_off" })
      assert.lengthOf(received, 0)
      yield* traced(start, { ...env, OTEL_TRACES_SAMPLER: "always_on" })
      assert.lengthOf(received, 1)
    })
  )

  it.live("never holds the stop up for more than two seconds, and says so once", () =>
    Effect.gen(function* () {
      const { url } = yield* traceCollector(() => "hang")
      const begin = performance.now()
      const lines = yield* traced(start, { OTEL_EXPORTER_OTLP_ENDPOINT: url })
      assert.isBelow(performance.now() - begin, 10_000)
      assert.lengthOf(
        lines.filter((line) => line.includes("timed out while shutting down tracing, exiting anyway")),
        1
      )
    })
  )

  it.live("goes on without a collector, with one warning", () =>
    Effect.gen(function* () {
      const begin = performance.now()
      const lines = yield* traced(Effect.andThen(start, Effect.andThen(Effect.sleep("300 millis"), start)), {
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
        OTEL_BSP_SCHEDULE_DELAY: "50"
      })
      assert.isBelow(performance.now() - begin, 10_000)
      assert.lengthOf(
        lines.filter((line) => line.includes("could not export traces")),
        1
      )
    })
  )

  it.live("exports while it runs", () =>
    Effect.gen(function* () {
      const { url, received } = yield* traceCollector()
      yield* traced(
        Effect.gen(function* () {
          yield* start
          yield* Effect.sleep("1 second")
          assert.lengthOf(received, 1)
        }),
        { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_BSP_SCHEDULE_DELAY: "50" }
      )
    })
  )

  it.live("keeps no more spans than it may, whether the collector hangs or refuses", () =>
    Effect.gen(function* () {
      for (const behaviour of ["hang", 503] as const) {
        const { received, url } = yield* traceCollector(() => behaviour)
        const many = Effect.forEach(Array.from({ length: 100 }), () => Effect.withSpan(Effect.void, "one"))
        const lines = yield* traced(Effect.andThen(many, Effect.andThen(Effect.sleep("200 millis"), many)), {
          OTEL_EXPORTER_OTLP_ENDPOINT: url,
          OTEL_BSP_SCHEDULE_DELAY: "50",
          OTEL_BSP_MAX_QUEUE_SIZE: "20"
        })
        assert.isAtMost(received[0]?.spans.length ?? 0, 20)
        assert.isTrue(lines.some((line) => line.includes("200 spans were not exported")))
      }
    })
  )

  it.effect("is off where it is switched off", () =>
    Effect.gen(function* () {
      const lines = yield* traced(start, { TRACEPARENT: `00-${TRACE}-${PARENT}-01`, OTEL_SDK_DISABLED: "true" })
      assert.isFalse(lines.some((line) => line.includes("WARN")))
    })
  )
})
