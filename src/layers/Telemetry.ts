/**
 * Traces: off unless OpenTelemetry's variables name a collector, and then no part of the start nor of the stop waits for it.
 *
 * Source: `libs/tracing-utils`, `compute_tools/src/compute.rs` (`start_compute`'s parent).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Tracer from "effect/Tracer"
import { type Environment, type OtlpSettings, parseOtlpSettings } from "../domain/OtlpSettings.ts"
import { parseTraceParent } from "../domain/TraceContext.ts"

export class Telemetry extends Context.Tag("compute/Telemetry")<
  Telemetry,
  {
    /** The current span becomes the parent of the next start: it is the request that delivered the spec. */
    readonly remember: Effect.Effect<void>
    /** Runs a start under the remembered span (once), else under `TRACEPARENT`, else under a new root. */
    readonly underParent: <A, E, R>(start: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  }
>() {
  static readonly layer = (env: Environment): Layer.Layer<Telemetry> => {
    const service = Layer.effect(
      this,
      Effect.suspend(() => make(env))
    )
    const settings = parseOtlpSettings(env)
    return settings === null
      ? service
      : service.pipe(Layer.provideMerge(Layer.unwrapScoped(Effect.map(tracerTo(settings), Layer.setTracer))))
  }
}

const make = (env: Environment) =>
  Effect.gen(function* () {
    const remembered = yield* Ref.make(Option.none<Tracer.AnySpan>())
    const given = parseTraceParent(env["TRACEPARENT"])
    const fromEnvironment = given === null ? Option.none() : Option.some(Tracer.externalSpan(given))
    if (given !== null) yield* Effect.logInfo("got startup tracing context from env variables")
    return Telemetry.of({
      remember: Effect.flatMap(Effect.option(Effect.currentParentSpan), (span) => Ref.set(remembered, span)),
      underParent: (start) =>
        Effect.flatMap(Ref.getAndSet(remembered, Option.none()), (span) => {
          const parent = Option.orElse(span, () => fromEnvironment)
          return Option.isSome(parent) ? Effect.withParentSpan(start, parent.value) : start
        })
    })
  })

const loadRecorder = Effect.promise(() => import("./telemetry/RecordedSpan.ts"))
const loadExporter = Effect.promise(() => import("./telemetry/exporter.ts"))

const tracerTo = (settings: OtlpSettings) =>
  Effect.gen(function* () {
    const [{ RecordedSpan }, { makeExporter }] = yield* Effect.all([loadRecorder, loadExporter], { concurrency: 2 })
    for (const warning of settings.warnings) yield* Effect.logWarning(warning)
    const ended = yield* makeExporter(settings)
    // What is logged becomes an event of its span.
    yield* Effect.locallyScopedWith(FiberRef.currentLoggers, HashSet.add(Logger.tracerLogger))
    return Tracer.make({
      span: (name, parent, context, links, startTime, kind) =>
        new RecordedSpan(name, parent, context, links, startTime, kind, settings.sampler, ended),
      context: (run) => run()
    })
  })
