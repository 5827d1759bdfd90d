/**
 * Sends batches of ended spans to a collector. A collector that is away costs spans, never time.
 */
import { gzipSync } from "node:zlib"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { OtlpSettings } from "../../../domain/observe/OtlpSettings.ts"
import { redact } from "../../../domain/observe/Redaction.ts"
import { wallMillisUnsafe } from "../../compute/clock/WallClock.ts"
import { disconnect } from "../../compute/disconnect.ts"
import { discard } from "../../http/readBody.ts"
import type { RecordedSpan } from "./RecordedSpan.ts"

/** After a failure. */
const PAUSE = Duration.seconds(60)
/** Of the flush at the end: whoever waits for the process is not kept longer. */
const FAREWELL = Duration.seconds(2)

/** Bytes of an answer, which nobody reads. */
const ANSWER = 64 * 1024

/** Milliseconds. */
const DRIFT = 1000

class ExportFailed extends Data.TaggedError("ExportFailed")<{ readonly message: string }> {}

const loadOtlp = Effect.promise(() => import("./otlp.ts"))

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

export const makeExporter = (settings: OtlpSettings) =>
  Effect.gen(function* () {
    let queue: Array<RecordedSpan> = []
    let dropped = 0
    let quietUntil = 0
    let warned = false

    /** Spans of one trace keep their order: a difference of less is how two clocks are read, and stays. */
    const shift = Effect.clockWith((clock) =>
      Effect.sync(() => {
        const millis = wallMillisUnsafe(clock) - clock.currentTimeMillisUnsafe()
        return Math.abs(millis) < DRIFT ? 0n : BigInt(Math.round(millis)) * 1_000_000n
      })
    )

    const send = (spans: ReadonlyArray<RecordedSpan>) =>
      Effect.gen(function* () {
        const { encode } = yield* loadOtlp
        const { bytes, contentType } = encode(spans, settings, yield* shift)
        const response = yield* Effect.tryPromise({
          try: async (signal) => {
            const answer = await fetch(settings.url, {
              method: "POST",
              signal,
              // Its headers hold keys that are for this collector.
              redirect: "manual",
              body: settings.gzip ? Uint8Array.from(gzipSync(bytes)) : bytes,
              headers: {
                ...settings.headers,
                "content-type": contentType,
                ...(settings.gzip && { "content-encoding": "gzip" })
              }
            })
            // Read to its end, a short answer leaves the connection for the next batch.
            if (answer.body !== null) await discard(answer.body, ANSWER)
            return answer.status
          },
          catch: (error) => new ExportFailed({ message: reasonOf(error) })
        }).pipe(
          Effect.timeoutOrElse({
            duration: Duration.millis(settings.timeout),
            orElse: () => Effect.fail(new ExportFailed({ message: "timed out" }))
          })
        )
        if (response >= 300) return yield* new ExportFailed({ message: `the collector answered ${response}` })
      })

    const failed = ({ message }: ExportFailed) =>
      Effect.gen(function* () {
        quietUntil = (yield* Clock.currentTimeMillis) + Duration.toMillis(PAUSE)
        if (warned) return
        warned = true
        yield* Effect.logWarning(`could not export traces: ${redact(message)}`)
      })

    /** Everything that waits, batch by batch, until one fails. */
    const drain = Effect.gen(function* () {
      while (queue.length > 0) {
        const batch = queue.slice(0, settings.maxBatch)
        queue = queue.slice(batch.length)
        yield* send(batch)
        warned = false
      }
    }).pipe(Effect.catch(failed), Effect.withTracerEnabled(false))

    const flush = Effect.flatMap(Clock.currentTimeMillis, (now) => (now < quietUntil ? Effect.void : drain))

    // A finalizer cannot be interrupted; the flush in it must be, or a collector that is away would hold the exit up.
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        const done = yield* flush.pipe(disconnect, Effect.timeoutOption(FAREWELL), Effect.interruptible)
        if (done._tag === "None") yield* Effect.logWarning("timed out while shutting down tracing, exiting anyway")
        if (dropped > 0) yield* Effect.logWarning(`${dropped} spans were not exported`)
      })
    )
    yield* flush.pipe(Effect.delay(Duration.millis(settings.delay)), Effect.forever, Effect.forkScoped)

    return (span: RecordedSpan) => {
      if (queue.length < settings.maxQueue) queue.push(span)
      else dropped += 1
    }
  })
