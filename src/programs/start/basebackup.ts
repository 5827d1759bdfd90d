/**
 * The data directory's content from the pageserver, in as many tries as it takes.
 *
 * Source: `compute_tools/src/compute.rs` (`get_basebackup`).
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { basebackupBytes, basebackupSeconds } from "../../domain/observe/MetricFamilies.ts"
import { format, type Lsn } from "../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { type WaitExpired, Waits } from "../../layers/compute/Waits.ts"
import { Metrics } from "../../layers/observe/Metrics.ts"
import {
  type BadBasebackup,
  DataDirectory,
  type DataDirectoryFailed
} from "../../layers/postgres/dataDirectory/DataDirectory.ts"
import {
  Pageserver,
  type PageserverFailed,
  type RequestBasebackup
} from "../../layers/storage/pageserver/Pageserver.ts"

/** Further tries after the first. */
const RETRIES = 10
const RETRIES_VARIABLE = "NEON_COMPUTE_TESTING_BASEBACKUP_RETRIES"
/** For all tries together; a single one is ended by its connection when nothing comes any more. */
const LIMIT = "20 minutes"

/** No try succeeded, or the last one met what no other would get past. */
export class BasebackupFailed extends Data.TaggedError("BasebackupFailed")<{
  readonly message: string
  readonly cause: PageserverFailed | BadBasebackup | DataDirectoryFailed | WaitExpired
}> {}

type Requirements = Pageserver | DataDirectory | ComputeState | Metrics | Waits

/** Milliseconds before the try that follows failure number `failures`, counted from 0: 500, 750, 1125, 1687, ... */
export const pauseAfter = (failures: number): number => Math.floor(500 * 1.5 ** failures)

const retries = Effect.sync(() => {
  const given = process.env[RETRIES_VARIABLE]
  return given !== undefined && /^\d{1,5}$/.test(given) ? Number(given) : RETRIES
})

/** One try: request, receive, unpack. Its figures replace those of the tries before. */
const attempt = (request: RequestBasebackup, lsn: Lsn) =>
  Effect.gen(function* () {
    const directory = yield* DataDirectory
    const metrics = yield* Metrics
    const state = yield* ComputeState
    const [duration, tried] = yield* Effect.gen(function* () {
      const { bytes, connectMicros } = yield* request(lsn)
      yield* state.update(({ metrics }) => ({ metrics: { ...metrics, pageserver_connect_micros: connectMicros } }))
      return yield* directory.unpack(bytes)
    }).pipe(
      Effect.scoped,
      Effect.withSpan("try_get_basebackup", { attributes: { lsn: format(lsn) } }),
      Effect.exit,
      Effect.timed
    )
    const took = Math.floor(Duration.toMillis(duration))
    yield* metrics.observe(basebackupSeconds, { outcome: Exit.isSuccess(tried) ? "ok" : "error" }, took / 1000)
    const size = yield* tried
    yield* metrics.increment(basebackupBytes, {}, size)
    yield* state.update(({ metrics }) => ({ metrics: { ...metrics, basebackup_ms: took, basebackup_bytes: size } }))
  })

const withRetries = (request: RequestBasebackup, lsn: Lsn) =>
  Effect.gen(function* () {
    const most = yield* retries
    for (let failures = 0; ; failures++) {
      const tried = yield* Effect.result(attempt(request, lsn))
      if (tried._tag === "Success") return
      const error = tried.failure
      const final =
        (error._tag === "PageserverFailed" && !error.transient) ||
        (error._tag === "DataDirectoryFailed" && error.permanent === true)
      if (final || failures >= most) return yield* error
      yield* Effect.logWarning(`Failed to get basebackup: ${error.message} (attempt ${failures}/${most})`)
      yield* Effect.sleep(pauseAfter(failures))
    }
  })

/**
 * Connects to the pageserver in the background, and gives the function that takes the basebackup once the LSN is known.
 * `0/0` takes the latest. What it measures goes to the state's metrics. The connection closes with the scope.
 */
export const connectForBasebackup = (
  spec: ParsedSpec
): Effect.Effect<(lsn: Lsn) => Effect.Effect<void, BasebackupFailed, Requirements>, never, Pageserver | Scope.Scope> =>
  Effect.gen(function* () {
    const pageserver = yield* Pageserver
    const request = yield* pageserver.connectEarly(spec)
    return (lsn) =>
      Effect.flatMap(Waits, (waits) => waits.within("basebackup", LIMIT)(withRetries(request, lsn))).pipe(
        Effect.mapError((cause) => new BasebackupFailed({ message: `failed to get basebackup@${format(lsn)}`, cause })),
        Effect.withSpan("get_basebackup", { attributes: { lsn: format(lsn) } })
      )
  })

/** The same, where the LSN is known from the start. */
export const basebackup = (spec: ParsedSpec, lsn: Lsn): Effect.Effect<void, BasebackupFailed, Requirements> =>
  Effect.scoped(Effect.flatMap(connectForBasebackup(spec), (take) => take(lsn)))
