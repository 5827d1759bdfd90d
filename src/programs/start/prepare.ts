/**
 * The data directory of a start: configuration, the LSN to start at, the basebackup.
 *
 * Between the answer of the safekeepers and the election that Postgres begins with somebody else may write, and what he
 * writes ends the start. So a primary asks them last, when all else that a start prepares is there, and only what cannot be
 * without the LSN comes in between. Where no election follows nothing waits for anything.
 *
 * Source: `compute_tools/src/compute.rs` (`prepare_pgdata`).
 */
import * as Effect from "effect/Effect"
import { type InvalidConf, withoutValue } from "../../domain/conf/PostgresConf.ts"
import { format, type Lsn, zero } from "../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { DataDirectory } from "../../layers/postgres/dataDirectory/DataDirectory.ts"
import { Safekeepers, type SyncFailed } from "../../layers/storage/safekeepers/Safekeepers.ts"
import { asIs, step } from "./errors.ts"
import { phase } from "./phase.ts"
import type { Storage } from "./storage.ts"

const synced = Effect.fnUntraced(function* (spec: ParsedSpec) {
  const safekeepers = yield* Safekeepers
  const state = yield* ComputeState
  const { lsn, tookMs } = yield* safekeepers.sync(spec)
  yield* state.update(({ metrics }) => ({ metrics: { ...metrics, sync_safekeepers_ms: tookMs } }))
  return lsn
})

/** Where the compute starts: a primary where its safekeepers agree, a static one where its spec says, a replica at the latest. */
const startLsn = (spec: ParsedSpec, { check }: Storage): Effect.Effect<Lsn, SyncFailed, Safekeepers | ComputeState> =>
  Effect.gen(function* () {
    const mode = spec.spec.mode
    if (mode === "Replica") {
      yield* Effect.logInfo("Initializing standby from latest Pageserver LSN")
      return zero
    }
    if (mode !== "Primary") {
      yield* Effect.logInfo(`Starting read-only node at static LSN ${format(mode.Static)}`)
      return mode.Static
    }
    const state = yield* ComputeState
    const checked = yield* check
    // Before the rest is tried: what a failed start had measured is asked for.
    yield* state.update(({ metrics }) => ({ metrics: { ...metrics, sync_sk_check_ms: checked.tookMs } }))
    const lsn = checked.lsn ?? (yield* synced(spec))
    yield* Effect.logInfo(`safekeepers synced at LSN ${format(lsn)}`)
    return lsn
  })

/** Postgres would end at its first look at the file, and say which line but not whose. */
export const refuseUnreadable = ({ spec }: ParsedSpec): Effect.Effect<void, InvalidConf> =>
  Effect.suspend(() => withoutValue(spec) ?? Effect.void)

/** `storage` is over with it. `others`: waits for what a start prepares besides. */
export const prepareDataDirectory = Effect.fnUntraced(
  function* (spec: ParsedSpec, storage: Storage, others: Effect.Effect<void>) {
    const directory = yield* DataDirectory
    yield* directory.create.pipe(
      Effect.andThen(directory.writeConf(spec)),
      Effect.andThen(refuseUnreadable(spec)),
      asIs
    )
    if (spec.spec.mode === "Primary") yield* others
    const lsn = yield* phase("sync safekeepers")(startLsn(spec, storage)).pipe(step("failed to sync safekeepers"))
    yield* phase("basebackup")(asIs(storage.takeBasebackup(lsn)))
    yield* asIs(directory.finish(spec))
  },
  (preparing, _, storage) => Effect.onExit(preparing, storage.over),
  phase("data directory", "prepare_pgdata")
)
