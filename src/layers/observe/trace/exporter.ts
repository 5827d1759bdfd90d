/**
 * Ended spans on their way to a collector, by the library's exporter. A collector that is away costs spans, never time.
 */

import { HttpAgent, makeNodeHttp } from "@effect/platform-node/NodeHttpClient"
import * as ByteSize from "effect/ByteSize"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as OtlpExporter from "effect/observability/OtlpExporter"
import * as References from "effect/References"
import { proxyOf } from "../../../domain/api/Proxies.ts"
import type { OtlpSettings } from "../../../domain/observe/OtlpSettings.ts"
import { redact } from "../../../domain/observe/Redaction.ts"
import { toWallUnsafe } from "../../compute/clock/WallClock.ts"
import { agents } from "../../http/outgoing/agents.ts"
import { reasonOf } from "../../http/outgoing/HttpFailed.ts"
import { Variables } from "../../machine/process/Variables.ts"
import { encoder } from "./otlp.ts"
import type { RecordedSpan } from "./RecordedSpan.ts"

/** Of the flush at the end: whoever waits for the process is not kept longer. */
const FAREWELL = Duration.seconds(2)
/** Milliseconds after a failure for which the library sends nothing and keeps nothing. */
const PAUSE = 60_000
/** Bytes of an answer, which nobody reads. */
const ANSWER = ByteSize.fromInputUnsafe(64 * 1024)
/** Milliseconds. */
const DRIFT = 1000

/** Spans of one trace keep their order: a difference of less is how two clocks are read, and stays. */
const shiftOf = (clock: Clock.Clock): bigint => {
  const now = clock.currentTimeMillisUnsafe()
  const millis = toWallUnsafe(clock, now) - now
  return Math.abs(millis) < DRIFT ? 0n : BigInt(Math.round(millis)) * 1_000_000n
}

/** Takes sampled spans that have ended. `dropped`: how many there was no room for before it was made. */
export const makeExporter = Effect.fnUntraced(function* (settings: OtlpSettings, dropped: number) {
  const clock = yield* Clock.Clock
  const { proxies } = yield* Variables
  const encode = yield* encoder(settings)
  let warned = false
  let abandoned = false
  let taken = dropped
  let delivered = 0
  /** Spans that wait for the next request, and those of requests that are under way: the library bounds neither. */
  let waiting = 0
  let sending = 0
  let quietUntil = 0

  const tellOfLosses = Effect.gen(function* () {
    if (abandoned) yield* Effect.logWarning("timed out while shutting down tracing, exiting anyway")
    // Where nobody has named a collector there is none as a rule.
    if (settings.named && taken > delivered) yield* Effect.logWarning(`${taken - delivered} spans were not exported`)
  })
  // First, so that it comes behind the library's own flush.
  yield* Effect.addFinalizer(() => tellOfLosses)

  const failed = (reason: string) =>
    Effect.gen(function* () {
      sending = 0
      quietUntil = clock.currentTimeMillisUnsafe() + PAUSE + 2 * settings.delay
      if (warned) return
      warned = true
      const text = `could not export traces to ${redact(settings.url)}: ${redact(reason)}`
      yield* settings.named ? Effect.logWarning(text) : Effect.logInfo(`${text}. OTEL_SDK_DISABLED=true makes none`)
      // The library signs what is logged in its export.
    }).pipe(Effect.provideService(References.CurrentLogAnnotations, {}))

  const agent = yield* agents(proxyOf(proxies, new URL(settings.url)), settings.timeout)
  const plain = yield* Effect.provideService(makeNodeHttp, HttpAgent, agent)
  // A failure is a defect to the library, which tries other ones three times: at the end that would take a second each.
  const client = HttpClient.transformResponse(
    plain,
    (response): Effect.Effect<HttpClientResponse, HttpClientError> =>
      response.pipe(
        Effect.timeoutOrElse({ duration: settings.timeout, orElse: () => Effect.fail("timed out") }),
        Effect.tapError((error) => failed(reasonOf(error))),
        Effect.orDie,
        Effect.tap(({ status }) => (status < 300 ? Effect.void : failed(`the collector answered ${status}`))),
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            abandoned = true
          })
        ),
        Effect.provideService(MaxBodySize, ANSWER)
      )
  )

  const exporter = yield* OtlpExporter.make({
    url: settings.url,
    headers: settings.headers,
    compression: settings.gzip ? "gzip" : "none",
    label: "compute_ctl",
    exportInterval: settings.delay,
    maxBatchSize: settings.maxBatch,
    shutdownTimeout: FAREWELL,
    body: (spans: Array<RecordedSpan>) => {
      waiting = 0
      sending += spans.length
      const done = Effect.sync(() => {
        delivered += spans.length
        sending = Math.max(0, sending - spans.length)
        warned = false
        quietUntil = 0
      })
      return [encode(spans, shiftOf(clock)), done]
    }
  }).pipe(Effect.provideService(HttpClient.HttpClient, client), Effect.provide(OtlpExporter.layerFlusher))

  return (span: RecordedSpan) => {
    taken += 1
    const quiet = quietUntil > 0 && clock.currentTimeMillisUnsafe() < quietUntil
    if (quiet || waiting + sending >= settings.maxQueue) return
    waiting += 1
    exporter.push(span)
  }
})
