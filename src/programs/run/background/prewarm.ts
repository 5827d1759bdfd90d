/**
 * Fills the local file cache with the pages that an endpoint, this one or another, had in it.
 *
 * Source: `compute_tools/src/compute_prewarm.rs`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { lfcPrewarmErrors, lfcPrewarms } from "../../../domain/observe/MetricFamilies.ts"
import { lfcStateObject } from "../../../domain/status/LfcState.ts"
import type { PrewarmState } from "../../../domain/status/Operations.ts"
import { ensureNeonFunctions } from "../../../layers/catalog/ours.ts"
import { ComputeState } from "../../../layers/compute/ComputeState.ts"
import { timedMillis } from "../../../layers/compute/clock/timedMillis.ts"
import { failAt } from "../../../layers/compute/Failpoints.ts"
import { Waits } from "../../../layers/compute/Waits.ts"
import { Metrics } from "../../../layers/observe/Metrics.ts"
import { Sql } from "../../../layers/sql/Sql.ts"
import { EndpointStorage } from "../../../layers/storage/endpointStorage/EndpointStorage.ts"
import { decompress } from "../../../layers/storage/endpointStorage/zstd.ts"
import { asState, doing, OperationFailed } from "../errors.ts"
import { makeSlot } from "./Slot.ts"

const DOWNLOAD_LIMIT = "5 minutes"

/** Null when the store has nothing: normal for an endpoint's first start. */
const download = Effect.fnUntraced(function* (from: string | null) {
  const state = yield* ComputeState
  const storage = yield* EndpointStorage
  const { spec } = yield* state.get
  const object = yield* Effect.mapError(
    Effect.fromResult(lfcStateObject(spec, from)),
    (message) => new OperationFailed({ message })
  )
  yield* failAt("compute-prewarm", (message) => new OperationFailed({ message }))
  yield* Effect.logInfo("requesting LFC state from endpoint storage").pipe(
    Effect.annotateLogs({ object: object.path.join("/") })
  )
  const [waited, answer] = yield* timedMillis(doing("querying endpoint storage")(storage.get(object)))
  if (answer.status === 404) return null
  if (answer.status !== 200) {
    return yield* new OperationFailed({ message: `${answer.statusText} querying endpoint storage` })
  }
  const body = decompress(answer.body).pipe(
    Effect.catchTags({
      EndpointStorageFailed: (error) =>
        new OperationFailed({ message: `getting request body from endpoint storage: ${error.message}` }),
      ZstdFailed: (error) => new OperationFailed({ message: `decoding LFC state: ${error.message}` })
    })
  )
  const [took, bytes] = yield* timedMillis(body)
  return { bytes, downloadMillis: waited, uncompressMillis: took }
}, Effect.scoped)

/** Null when there was nothing to do. */
interface PrewarmInfo {
  readonly total: number | null
  readonly prewarmed: number | null
  readonly skipped: number | null
}

const load = Effect.fnUntraced(function* (bytes: Uint8Array) {
  const sql = yield* Sql
  const session = yield* doing("connecting to postgres")(
    sql.session({ applicationName: "compute_ctl:apply_config", maintenance: true, purpose: "transfer" })
  )
  yield* doing("loading LFC state into postgres")(
    ensureNeonFunctions(session, "prewarm_local_cache", "get_prewarm_info")
  )
  const loaded = session.query("SELECT neon.prewarm_local_cache($1::pg_catalog.bytea)", [bytes])
  const [took] = yield* timedMillis(doing("loading LFC state into postgres")(loaded))
  const [info] = yield* doing("querying prewarm info")(
    session.query<PrewarmInfo>(
      "SELECT total::pg_catalog.int4, prewarmed::pg_catalog.int4, skipped::pg_catalog.int4 FROM neon.get_prewarm_info() AS info (total, prewarmed, skipped)"
    )
  )
  if (info === undefined) return yield* new OperationFailed({ message: "querying prewarm info: no row" })
  return {
    // Clients read numbers, and fail on the whole answer where they find none.
    total: info.total ?? 0,
    prewarmed: info.prewarmed ?? 0,
    skipped: info.skipped ?? 0,
    prewarm_time_ms: took
  }
}, Effect.scoped)

const prewarm = (
  from: string | null
): Effect.Effect<PrewarmState, Error, ComputeState | EndpointStorage | Sql | Waits> =>
  Effect.gen(function* () {
    const waits = yield* Waits
    const state = yield* waits.within("LFC state to be downloaded", DOWNLOAD_LIMIT)(download(from))
    if (state === null) {
      yield* Effect.logInfo("LFC state not found in endpoint storage, nothing to prewarm")
      return { status: "skipped" }
    }
    const info = yield* waits.openEnded("LFC prewarm")(load(state.bytes))
    return {
      status: "completed",
      total: info.total,
      prewarmed: info.prewarmed,
      skipped: info.skipped,
      state_download_time_ms: state.downloadMillis,
      uncompress_time_ms: state.uncompressMillis,
      prewarm_time_ms: info.prewarm_time_ms
    }
  })

export class Prewarming extends Context.Service<
  Prewarming,
  {
    /** Starts one from the state of the endpoint `from`, or of this one. False when one runs already. */
    readonly begin: (from: string | null) => Effect.Effect<boolean>
    /** Cancels the one that runs, if any, without waiting for its end. */
    readonly cancel: Effect.Effect<void>
  }
>()("compute/Prewarming") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

function* make() {
  const slot = yield* makeSlot
  const state = yield* ComputeState
  const metrics = yield* Metrics
  const context = yield* Effect.context<ComputeState | EndpointStorage | Metrics | Sql | Waits>()

  const run = (from: string | null) => (cancelled: Effect.Effect<void>) =>
    prewarm(from).pipe(
      asState(lfcPrewarmErrors, "prewarming LFC failed"),
      Effect.raceFirst(Effect.as(cancelled, { status: "cancelled" } as const)),
      Effect.tap((result: PrewarmState) => Effect.logInfo(`LFC prewarm: ${result.status}`)),
      Effect.withSpan("prewarm LFC"),
      Effect.provide(context)
    )

  return Prewarming.of({
    begin: (from) =>
      slot.begin({
        entered: Effect.andThen(
          state.update(() => ({ prewarm: { status: "prewarming" } })),
          metrics.increment(lfcPrewarms)
        ),
        run: run(from),
        settled: (result) => state.update(() => ({ prewarm: result }))
      }),
    cancel: slot.cancel
  })
}

/** At the start of a compute whose spec asks for it. */
export const autoprewarm = Effect.gen(function* () {
  const prewarming = yield* Prewarming
  yield* prewarming.begin(null)
})
