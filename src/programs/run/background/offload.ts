/**
 * Saves which pages are in the local file cache, for the next life of this endpoint or for its replica.
 *
 * Source: `compute_tools/src/compute_prewarm.rs`.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { lfcOffloadErrors, lfcOffloads } from "../../../domain/observe/MetricFamilies.ts"
import { lfcStateObject, mayOffload } from "../../../domain/status/LfcState.ts"
import type { OffloadState } from "../../../domain/status/Operations.ts"
import { ensureNeonFunctions } from "../../../layers/catalog/ours.ts"
import { ComputeState, type State } from "../../../layers/compute/ComputeState.ts"
import { timedMillis } from "../../../layers/compute/clock/timedMillis.ts"
import { Waits } from "../../../layers/compute/Waits.ts"
import { Metrics } from "../../../layers/observe/Metrics.ts"
import { Sql } from "../../../layers/sql/Sql.ts"
import { EndpointStorage } from "../../../layers/storage/endpointStorage/EndpointStorage.ts"
import { compress } from "../../../layers/storage/endpointStorage/zstd.ts"
import { asState, doing, OperationFailed } from "../errors.ts"
import { makeSlot } from "./Slot.ts"

const QUERY_LIMIT = "2 minutes"
const UPLOAD_LIMIT = "5 minutes"
/** Above this the store's web framework refuses the body, whatever the store itself is configured for. */
const STORE_LIMIT = 2 * 1024 * 1024

/** Null when the cache is off or empty. */
const queryState = Effect.gen(function* () {
  const sql = yield* Sql
  const session = yield* doing("connecting to postgres")(
    sql.session({ applicationName: "compute_ctl:apply_config", maintenance: true, purpose: "transfer" })
  )
  yield* doing("querying LFC state")(ensureNeonFunctions(session, "get_local_cache_state"))
  const rows = yield* doing("querying LFC state")(
    session.query<{ readonly state: Uint8Array | null }>("SELECT neon.get_local_cache_state() AS state")
  )
  return rows[0]?.state ?? null
}).pipe(Effect.scoped)

const offload = Effect.gen(function* () {
  const waits = yield* Waits
  const storage = yield* EndpointStorage
  const { spec } = yield* ComputeState.current
  const object = yield* Effect.mapError(
    Effect.fromResult(lfcStateObject(spec, null)),
    (message) => new OperationFailed({ message })
  )
  const [queried, bytes] = yield* timedMillis(waits.within("LFC state to be queried", QUERY_LIMIT)(queryState))
  if (bytes === null) {
    yield* Effect.logInfo("empty LFC state, not exporting")
    return { status: "skipped" } as const
  }
  const [compressed, chunks] = yield* timedMillis(doing("compressing LFC state")(compress(bytes)))
  const length = chunks.reduce((total, chunk) => total + chunk.byteLength, 0)
  if (length > STORE_LIMIT) {
    yield* Effect.logWarning(`LFC state takes ${length} bytes, endpoint storage may refuse it`)
  }
  const upload = waits.within("LFC state to be uploaded", UPLOAD_LIMIT)(storage.put(object, chunks))
  const [uploaded, answer] = yield* timedMillis(doing("writing to endpoint storage")(upload))
  if (answer.status !== 200) {
    return yield* new OperationFailed({ message: `request to endpoint storage failed: ${answer.statusText}` })
  }
  yield* Effect.logInfo("LFC state saved").pipe(Effect.annotateLogs({ bytes: length }))
  return {
    status: "completed",
    state_query_time_ms: queried,
    compress_time_ms: compressed,
    state_upload_time_ms: uploaded
  } as const
})

export class Offloading extends Context.Service<
  Offloading,
  {
    /** False when one runs already. */
    readonly begin: Effect.Effect<boolean>
    /** Waits until none runs. */
    readonly free: Effect.Effect<void>
  }
>()("compute/Offloading") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

function* make() {
  const slot = yield* makeSlot
  const state = yield* ComputeState
  const metrics = yield* Metrics
  const context = yield* Effect.context<ComputeState | EndpointStorage | Metrics | Sql | Waits>()

  const run = offload.pipe(
    asState(lfcOffloadErrors, "offloading LFC failed"),
    Effect.withSpan("offload LFC"),
    Effect.provide(context)
  )

  return Offloading.of({
    begin: slot.begin<OffloadState, never>({
      entered: Effect.andThen(
        state.update(() => ({ offload: { status: "offloading" } })),
        metrics.increment(lfcOffloads)
      ),
      run: () => run,
      settled: (result) => state.update(() => ({ offload: result }))
    }),
    free: slot.free
  })
}

const interval = (state: State): number | null => {
  const seconds = state.spec?.spec.offload_lfc_interval_seconds ?? null
  return seconds === null ? null : Number(seconds)
}

/** Offloads at the spec's interval, the first time one interval after the start; a spec with another interval is followed. */
export const offloadPeriodically = Effect.gen(function* () {
  const state = yield* ComputeState
  const offloading = yield* Offloading
  const turn = Effect.gen(function* () {
    const seconds = interval(yield* state.await((current) => interval(current) !== null))
    if (seconds === null) return
    const due = yield* Effect.raceFirst(
      Effect.as(Effect.sleep(Duration.seconds(seconds)), true),
      Effect.as(
        state.await((current) => interval(current) !== seconds),
        false
      )
    )
    if (!due) return
    const { prewarm, postgresRuns } = yield* state.get
    if (!postgresRuns) return
    if (!mayOffload(prewarm)) {
      yield* Effect.logInfo(`LFC prewarm is ${prewarm.status}, not offloading`)
      return
    }
    yield* offloading.begin
    yield* offloading.free
  })
  return yield* Effect.forever(turn)
})
