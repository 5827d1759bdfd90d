/**
 * A span that is kept until it can be exported.
 */
import { randomBytes } from "node:crypto"
import type * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import type { OtlpSettings } from "../../../domain/observe/OtlpSettings.ts"

/** OpenTelemetry's default limits: a span that never ends must not grow without end. */
const LIMIT = 128

export type SpanEvent = readonly [name: string, time: bigint, attributes: Record<string, unknown>]

export class RecordedSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly spanId = randomBytes(8).toString("hex")
  readonly traceId: string
  readonly sampled: boolean
  readonly attributes = new Map<string, unknown>()
  readonly events: Array<SpanEvent> = []
  readonly links: Array<Tracer.SpanLink>
  droppedEvents = 0
  status: Tracer.SpanStatus
  readonly name: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly annotations: Context.Context<never>
  readonly kind: Tracer.SpanKind
  private readonly ended: (span: RecordedSpan) => void

  constructor(
    { annotations, kind, links, name, parent, startTime }: Parameters<Tracer.Tracer["span"]>[0],
    sampler: OtlpSettings["sampler"],
    ended: (span: RecordedSpan) => void
  ) {
    this.name = name
    this.parent = parent
    this.annotations = annotations
    this.kind = kind
    this.ended = ended
    this.links = [...links]
    this.status = { _tag: "Started", startTime }
    const above = Option.getOrNull(parent)
    this.traceId = above?.traceId ?? randomBytes(16).toString("hex")
    // Within this process a trace is sampled whole; from outside the sampler decides whether to follow.
    this.sampled =
      above !== null && (sampler.parent || above._tag === "Span") ? above.sampled : within(this.traceId, sampler.ratio)
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
    if (this.sampled) this.ended(this)
  }

  attribute(key: string, value: unknown): void {
    if (this.attributes.size < LIMIT || this.attributes.has(key)) this.attributes.set(key, value)
  }

  event(name: string, time: bigint, attributes: Record<string, unknown> = {}): void {
    if (this.events.length < LIMIT) this.events.push([name, time, attributes])
    else this.droppedEvents += 1
  }

  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    this.links.push(...links.slice(0, Math.max(0, LIMIT - this.links.length)))
  }
}

/** By the lower bits of the trace id, so that all who see the trace decide alike. */
const within = (traceId: string, ratio: number): boolean =>
  ratio >= 1 || (ratio > 0 && Number.parseInt(traceId.slice(-12), 16) / 2 ** 48 < ratio)
