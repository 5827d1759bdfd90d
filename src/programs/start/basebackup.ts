/**
 * The data directory's content from the pageserver, in as many tries as it takes.
 *
 * Source: `compute_tools/src/compute.rs` (`get_basebackup`).
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { basebackupBytes } from "../../domain/observe/MetricFamilies.ts"
import { format, type Lsn } from "../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { nextPause, RETRIES } from "../../domain/storage/BasebackupTries.ts"
import { basebackupEndpoint, inWords } from "../../domain/storage/PageserverEndpoint.ts"
import type { Healing } from "../../domain/storage/PageserverFault.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { timedMillis } from "../../layers/compute/clock/timedMillis.ts"
import { retrying } from "../../layers/compute/retrying.ts"
import { type WaitExpired, Waits } from "../../layers/compute/Waits.ts"
import { Variables } from "../../layers/machine/process/Variables.ts"
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

/** Without a byte, over all tries; a single one is ended by its connection when nothing comes any more. */
const LIMIT = "20 minutes"

/** No try succeeded, or the last one met what no other would get past. */
export class BasebackupFailed extends Data.TaggedError("BasebackupFailed")<{
  readonly message: string
  readonly cause: PageserverFailed | BadBasebackup | DataDirectoryFailed | WaitExpired
}> {}

type Requirements = Pageserver | DataDirectory | ComputeState | Metrics | Waits

type Failure = PageserverFailed | BadBasebackup | DataDirectoryFailed

const healingOf = (error: Failure): Healing =>
  error._tag === "PageserverFailed"
    ? error.healing
    : error._tag === "DataDirectoryFailed" && error.permanent === true
      ? "never"
      : "passing"

/** When the next try follows, by what the tries before it met. */
const policy = Schedule.fromStepWithMetadata(
  Effect.sync(() => {
    let row = { length: 0, since: 0 }
    return ({ attempt, input, now }: Schedule.InputMetadata<Failure>) => {
      const healing = healingOf(input)
      row = {
        length: healing === "attaching" ? row.length + 1 : 0,
        since: row.length === 0 ? now : row.since
      }
      const pause = nextPause({ healing, failures: attempt, inRow: row.length, rowMillis: now - row.since })
      return pause === null
        ? Cause.done(undefined)
        : Effect.succeed<[undefined, Duration.Duration]>([undefined, Duration.millis(pause)])
    }
  })
)

const watched = <E>(bytes: Stream.Stream<Uint8Array, E>, progress: () => void) =>
  Stream.mapArray(bytes, (chunks) => {
    progress()
    return chunks
  })

/** One try: request, receive, unpack. Its figures replace those of the tries before. */
const attempt = Effect.fnUntraced(function* (request: RequestBasebackup, lsn: Lsn, progress: () => void) {
  const directory = yield* DataDirectory
  const metrics = yield* Metrics
  const state = yield* ComputeState
  const [took, size] = yield* Effect.gen(function* () {
    const { bytes, connectMicros } = yield* request(lsn)
    yield* state.update(({ metrics }) => ({ metrics: { ...metrics, pageserver_connect_micros: connectMicros } }))
    return yield* directory.unpack(watched(bytes, progress))
  }).pipe(Effect.scoped, Effect.withSpan("try_get_basebackup", { attributes: { lsn: format(lsn) } }), timedMillis)
  yield* metrics.set(basebackupBytes, {}, size)
  yield* state.update(({ metrics }) => ({ metrics: { ...metrics, basebackup_ms: took, basebackup_bytes: size } }))
})

const withRetries = Effect.fnUntraced(function* (
  spec: ParsedSpec,
  request: RequestBasebackup,
  lsn: Lsn,
  progress: () => void
) {
  const { basebackupRetries: given } = yield* Variables
  const whom = Result.match(basebackupEndpoint(spec.pageserver), {
    onFailure: () => "pageserver",
    onSuccess: (endpoint) => inWords([endpoint])
  })
  yield* attempt(request, lsn, progress).pipe(
    retrying({
      whom,
      attempts: given === null ? null : given + 1,
      schedule: policy,
      passing: (error) => healingOf(error) !== "never",
      failed: ({ error, failures }) =>
        Effect.logWarning(`Failed to get basebackup: ${error.message} (attempt ${failures - 1}/${given ?? RETRIES})`)
    })
  )
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
      Effect.flatMap(Waits, (waits) =>
        waits.progressing("basebackup", LIMIT)((progress) => withRetries(spec, request, lsn, progress))
      ).pipe(
        Effect.mapError((cause) => new BasebackupFailed({ message: `failed to get basebackup@${format(lsn)}`, cause })),
        Effect.withSpan("get_basebackup", { attributes: { lsn: format(lsn) } })
      )
  })
