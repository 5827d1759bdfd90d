/**
 * Traces: they go to the collector that OpenTelemetry's variables name, else to the one that listens on this machine by
 * custom. No part of the start nor of the stop waits for it.
 *
 * Source: `libs/tracing-utils`, `compute_tools/src/compute.rs` (`start_compute`'s parent).
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import {
  type Environment,
  type Instance,
  type OtlpSettings,
  parseOtlpSettings
} from "../../../domain/observe/OtlpSettings.ts"
import { parseTraceParent } from "../../../domain/observe/TraceContext.ts"
import type { RecordedSpan } from "./RecordedSpan.ts"

export class Telemetry extends Context.Service<
  Telemetry,
  {
    /** The current span becomes the parent of the next start or reconfiguration: it is the request that delivered the spec. */
    readonly remember: Effect.Effect<void>
    /** Runs a start or reconfiguration under the remembered span, at first under `TRACEPARENT`; each is taken once. */
    readonly underParent: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  }
>()("compute/Telemetry") {
  static readonly layer = (env: Environment, instance: Instance): Layer.Layer<Telemetry> => {
    const service = Layer.effect(
      this,
      Effect.suspend(() => make(env))
    )
    const settings = parseOtlpSettings(env, instance)
    return settings === null ? service : service.pipe(Layer.provideMerge(Layer.effectContext(tracerTo(settings))))
  }
}

/** `remember`, where there is telemetry. */
export const rememberRequest: Effect.Effect<void> = Effect.flatMap(
  Effect.serviceOption(Telemetry),
  Option.match({ onNone: () => Effect.void, onSome: ({ remember }) => remember })
)

/** `underParent`, where there is telemetry. */
export const underRequest = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    Effect.serviceOption(Telemetry),
    Option.match({ onNone: () => work, onSome: ({ underParent }) => underParent(work) })
  )

const make = Effect.fnUntraced(function* (env: Environment) {
  const given = parseTraceParent(env["TRACEPARENT"])
  const next = yield* Ref.make<Option.Option<Tracer.AnySpan>>(
    given === null ? Option.none() : Option.some(Tracer.externalSpan(given))
  )
  yield* Effect.logInfo("logging and tracing started")
  if (given !== null) yield* Effect.logInfo("got startup tracing context from env variables")
  return Telemetry.of({
    remember: Effect.flatMap(Effect.option(Effect.currentParentSpan), (span) =>
      Option.isSome(span) ? Ref.set(next, span) : Effect.void
    ),
    underParent: (work) =>
      Effect.flatMap(Ref.getAndSet(next, Option.none()), (parent) =>
        Option.isSome(parent) ? Effect.withParentSpan(work, parent.value) : work
      )
  })
})

/** A line becomes an event of its span, by its text; one that has none says nothing that its span does not. */
const spanLogger = Logger.make<unknown, void>(({ fiber, logLevel, message }) => {
  const { span } = fiber.cache
  const text = [message].flat().map(String).join(" ")
  if (text === "" || span?._tag !== "Span") return
  const time = fiber.getRef(Clock.Clock).currentTimeNanosUnsafe()
  span.event(text, time, { ...fiber.getRef(References.CurrentLogAnnotations), level: logLevel.toUpperCase() })
})

const loadRecorder = Effect.promise(() => import("./RecordedSpan.ts"))
const loadExporter = Effect.promise(() => import("./exporter.ts"))

/** The exporter is made when spans are due, or at the end of all: a start has other things to do. */
const whenDue = Effect.fnUntraced(function* (settings: OtlpSettings) {
  const early: Array<RecordedSpan> = []
  let dropped = 0
  let isOpen = false
  let take = (span: RecordedSpan): void => {
    if (early.length < settings.maxQueue) early.push(span)
    else dropped += 1
  }
  const open = Effect.flatMap(loadExporter, ({ makeExporter }) => makeExporter(settings, dropped)).pipe(
    Effect.map((ended) => {
      isOpen = true
      take = ended
      for (const span of early.splice(0)) ended(span)
    })
  )
  yield* Effect.addFinalizer(() => (isOpen || early.length === 0 ? Effect.void : Effect.scoped(open)))
  yield* Effect.forkScoped(Effect.andThen(Effect.sleep(settings.delay), Effect.uninterruptible(open)))
  return (span: RecordedSpan) => take(span)
})

const tracerTo = Effect.fnUntraced(function* (settings: OtlpSettings) {
  const { RecordedSpan } = yield* loadRecorder
  for (const warning of settings.warnings) yield* Effect.logWarning(warning)
  const ended = yield* whenDue(settings)
  const tracer = Tracer.make({ span: (options) => new RecordedSpan(options, settings.sampler, ended) })
  // What is logged becomes an event of its span.
  const loggers = new Set([...(yield* References.CurrentLoggers), spanLogger])
  return Context.make(Tracer.Tracer, tracer).pipe(Context.add(References.CurrentLoggers, loggers))
})
