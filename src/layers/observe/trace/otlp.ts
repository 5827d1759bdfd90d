/**
 * Ended spans as an OTLP request, without secrets: the library's own encoding has none of our limits, keeps every text as
 * it is and puts stacks into it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { HttpBody } from "effect/http/HttpBody"
import * as Option from "effect/Option"
import { layerJson, layerProtobuf, OtlpSerialization } from "effect/observability/OtlpSerialization"
import type { OtlpSettings } from "../../../domain/observe/OtlpSettings.ts"
import { isSecretName, redactWithin } from "../../../domain/observe/Redaction.ts"
import type { RecordedSpan } from "./RecordedSpan.ts"

const kinds = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const
/** By the conventions success is not said: what has no status went well. */
const UNSET = 0 as const
const ERROR = 2 as const
/** Answers that are the fault of whoever made the span: a server is not to blame for what it refuses. */
const FAULTS = { server: 500, client: 400 } as const

/** Bytes of a text: whoever calls writes into some of them. */
const LONGEST = 4096

const valueOf = (name: string, value: unknown) => {
  if (isSecretName(name)) return { stringValue: "<redacted>" }
  if (typeof value === "boolean") return { boolValue: value }
  if (typeof value === "bigint") return { intValue: String(value) }
  if (typeof value === "number") return Number.isInteger(value) ? { intValue: value } : { doubleValue: value }
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value))
  return { stringValue: redactWithin(text, LONGEST) }
}

const attributesOf = (entries: Iterable<readonly [string, unknown]>) =>
  [...entries].map(([key, value]) => ({ key, value: valueOf(key, value) }))

/** What went wrong in words, without the stack: it is in the log. */
const failureOf = (cause: Cause.Cause<unknown>) => {
  const [first] = Cause.prettyErrors(cause)
  return { type: first?.name ?? "Error", message: redactWithin(first?.message ?? "", LONGEST) }
}

const encodeSpan = (shift: bigint) => (span: RecordedSpan) => {
  const at = (time: bigint) => String(time + shift)
  const { status } = span
  const failure =
    status._tag === "Ended" && status.exit._tag === "Failure" && !Cause.hasInterruptsOnly(status.exit.cause)
      ? failureOf(status.exit.cause)
      : null
  const code = span.attributes.get("http.response.status_code")
  const fault = FAULTS[span.kind === "client" ? "client" : "server"]
  const failed = failure !== null || (typeof code === "number" && code >= fault)
  const endTime = status._tag === "Ended" ? status.endTime : status.startTime
  const events = span.events.map(([name, time, attributes]) => ({
    name: redactWithin(name, LONGEST),
    timeUnixNano: at(time),
    attributes: attributesOf(Object.entries(attributes)),
    droppedAttributesCount: 0
  }))
  if (failure !== null) {
    events.push({
      name: "exception",
      timeUnixNano: at(endTime),
      attributes: attributesOf([
        ["exception.type", failure.type],
        ["exception.message", failure.message]
      ]),
      droppedAttributesCount: 0
    })
  }
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: Option.getOrUndefined(Option.map(span.parent, ({ spanId }) => spanId)),
    name: span.name,
    kind: kinds[span.kind],
    startTimeUnixNano: at(status.startTime),
    endTimeUnixNano: at(endTime),
    attributes: attributesOf(span.attributes),
    droppedAttributesCount: 0,
    events,
    droppedEventsCount: span.droppedEvents,
    status: { code: failed ? ERROR : UNSET, ...(failure !== null && { message: failure.message }) },
    links: span.links.map((link) => ({
      traceId: link.span.traceId,
      spanId: link.span.spanId,
      attributes: attributesOf(Object.entries(link.attributes)),
      droppedAttributesCount: 0
    })),
    droppedLinksCount: 0
  }
}

/** `shift`: nanoseconds by which the wall clock, that of the collector's other senders, has left the clock of the spans. */
export const encoder = (settings: OtlpSettings) =>
  Effect.map(OtlpSerialization, (serialization) => {
    const resource = { attributes: attributesOf(Object.entries(settings.resource)), droppedAttributesCount: 0 }
    return (spans: ReadonlyArray<RecordedSpan>, shift: bigint): HttpBody =>
      serialization.traces({
        resourceSpans: [
          { resource, scopeSpans: [{ scope: { name: "compute_ctl" }, spans: spans.map(encodeSpan(shift)) }] }
        ]
      })
  }).pipe(Effect.provide(settings.protocol === "json" ? layerJson : layerProtobuf))
