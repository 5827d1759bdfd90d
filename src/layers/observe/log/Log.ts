/**
 * The process's log: one line per event on stderr, in the original's plain form or as JSON, and in lakebase mode daily files
 * besides. Nothing goes to stdout.
 *
 * Source: `compute_tools/src/logger.rs`.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { type Filter, type Level, parseFilter } from "../../../domain/observe/LogFilter.ts"
import {
  type Identity,
  jsonLine,
  type LogRecord,
  type LogSpan,
  postgresLine,
  textLine
} from "../../../domain/observe/LogLine.ts"
import { wallMillisUnsafe } from "../../compute/clock/WallClock.ts"
import { type DailyFile, openDailyFile } from "./DailyFile.ts"
import { describeLoss, lostLines, writeLine } from "./StandardError.ts"

export interface LogOptions {
  /** A function: the form of another program's log. */
  readonly format: "text" | "json" | ((record: LogRecord) => string)
  /** The value of `RUST_LOG`; undefined when it is not set. */
  readonly filter?: string | undefined
  /** What is logged, where `filter` does not decide. */
  readonly level?: Filter
  /** Lakebase mode: where `pgcctl.YYYY-MM-DD` goes. */
  readonly logDirectory?: string | null
  /** Where lines go instead of stderr. False means that it was dropped. */
  readonly write?: (line: string) => boolean
}

export class Log extends Context.Service<
  Log,
  {
    /** A line that is not an event of ours, such as one of Postgres': unfiltered and without a head. */
    readonly raw: (line: string) => Effect.Effect<void>
    /** From now on the daily files say whose compute this is; called when the first spec is set. */
    readonly identify: (identity: Identity) => Effect.Effect<void>
    /** Lines lost since the start. */
    readonly dropped: Effect.Effect<number>
  }
>()("compute/Log") {
  static readonly layer = (options: LogOptions) => Layer.unwrap(Effect.map(sinks(options), layerOf(options)))
}

const levels: Record<LogLevel.LogLevel, Level> = {
  All: "TRACE",
  Trace: "TRACE",
  Debug: "DEBUG",
  Info: "INFO",
  Warn: "WARN",
  Error: "ERROR",
  Fatal: "ERROR",
  None: "ERROR"
}

const minimum: Record<Filter, LogLevel.LogLevel> = {
  TRACE: "Trace",
  DEBUG: "Debug",
  INFO: "Info",
  WARN: "Warn",
  ERROR: "Error",
  OFF: "None"
}

const text = (value: unknown): string =>
  typeof value === "string" ? value : value instanceof Error ? value.message : Inspectable.toStringUnknown(value, 0)

/** An error with its chain of causes in one line; a defect with its stack, since it has no other description. */
const causeText = (cause: Cause.Cause<unknown>): string =>
  Cause.hasInterruptsOnly(cause)
    ? "interrupted"
    : [
        ...cause.reasons.filter(Cause.isFailReason).map(({ error }) => chain(error)),
        ...cause.reasons
          .filter(Cause.isDieReason)
          .map(({ defect }) => (defect instanceof Error && defect.stack) || text(defect))
      ].join("; ")

const chain = (failure: unknown, depth = 0): string => {
  const inner = failure instanceof Error && depth < 8 ? failure.cause : undefined
  const own = text(failure)
  if (inner === undefined || inner === null) return own
  const rest = chain(inner, depth + 1)
  return own.endsWith(rest) ? own : `${own}: ${rest}`
}

/** Attributes with dotted names are semantic conventions, meant for traces only. */
const spanFields = (span: Tracer.Span): LogSpan["fields"] =>
  [...span.attributes].filter(([name]) => !name.includes(".")).map(([name, value]) => [name, text(value)] as const)

const spansOf = (context: Context.Context<never>): Pick<LogRecord, "spans" | "trace"> => {
  const spans: Array<LogSpan> = []
  const current = Context.getOption(context, Tracer.ParentSpan)
  let span = current
  while (Option.isSome(span) && span.value._tag === "Span") {
    spans.unshift({ name: span.value.name, fields: spanFields(span.value) })
    span = span.value.parent
  }
  return {
    spans,
    trace: Option.getOrNull(Option.map(current, ({ traceId, spanId }) => ({ traceId, spanId })))
  }
}

/** Whose line it is stands before what it says: the lines of one request are alike up to there. */
const rank = (name: string): number => (name === "request_id" ? 0 : 1)

/** Orders the lines of one millisecond by the time since its first. */
const microseconds = () => {
  let last = 0
  let first = 0
  return (millis: number): number => {
    const now = performance.now()
    if (millis !== last) {
      last = millis
      first = now
      return 0
    }
    return Math.min(999, Math.floor((now - first) * 1000))
  }
}

interface Sinks {
  readonly emit: (record: LogRecord) => void
  readonly service: Log["Service"]
}

/** What stands in the place of lines that were dropped. */
const lossRecord = (lines: number): LogRecord => ({
  millis: Date.now(),
  micros: 0,
  level: "WARN",
  message: `${lines} log lines were dropped here: whoever reads them was behind`,
  fields: [],
  spans: [],
  trace: null
})

const sinks = Effect.fnUntraced(function* ({ format, logDirectory, write = writeLine }: LogOptions) {
  let refused = 0
  let identity: Identity = { instanceId: "", computeId: "" }
  const file: DailyFile | null =
    logDirectory == null
      ? null
      : yield* Effect.acquireRelease(
          Effect.sync(() =>
            openDailyFile(logDirectory, "pgcctl", (lines) => postgresLine(lossRecord(lines), identity))
          ),
          (opened) => Effect.promise(opened.close)
        )
  const line = typeof format === "function" ? format : format === "json" ? jsonLine : textLine
  describeLoss((lines) => line(lossRecord(lines)))
  const out = (text: string) => {
    if (!write(text) && write !== writeLine) refused += 1
  }
  const sinks: Sinks = {
    emit: (record) => {
      out(line(record))
      file?.write(postgresLine(record, identity), record.millis)
    },
    service: Log.of({
      raw: (raw) => Effect.sync(() => out(raw)),
      identify: (known) =>
        Effect.sync(() => {
          identity = known
        }),
      dropped: Effect.sync(() => refused + lostLines() + (file?.lost() ?? 0))
    })
  }
  return sinks
})

const layerOf =
  ({ filter, level }: LogOptions) =>
  ({ emit, service }: Sinks) => {
    const micros = microseconds()
    const logger = Logger.make<unknown, void>((event) => {
      const steady = event.date.getTime()
      const millis = wallMillisUnsafe(event.fiber.getRef(Clock.Clock))
      const parts = Array.isArray(event.message) ? event.message : [event.message]
      const cause = event.cause.reasons.length === 0 ? [] : [causeText(event.cause)]
      const fields = Object.entries(event.fiber.getRef(References.CurrentLogAnnotations))
        .map(([name, value]) => [name, text(value)] as const)
        .sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0))
      emit({
        millis,
        micros: micros(millis),
        level: levels[event.logLevel],
        message: [parts.map(text).join(" "), ...cause].filter((part) => part !== "").join(": "),
        fields: [
          ...fields,
          ...event.fiber
            .getRef(References.CurrentLogSpans)
            .map(([label, began]) => [label, `${steady - began}ms`] as const)
        ],
        ...spansOf(event.fiber.context)
      })
    })
    // Of the loggers that are there none is kept: the tracer's would pile events up in spans that nobody collects.
    return Layer.succeedContext(
      Context.make(Log, service).pipe(
        Context.add(References.CurrentLoggers, new Set([logger])),
        Context.add(References.MinimumLogLevel, minimum[level ?? parseFilter(filter)])
      )
    )
  }
