/**
 * The safekeeper quorum: learns the commit LSN before a primary starts, and brings the members level after it ended.
 *
 * Source: `compute_tools/src/sync_sk.rs`, `compute_tools/src/compute.rs`.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Lsn } from "../domain/Lsn.ts"
import type { ParsedSpec } from "../domain/ParsedSpec.ts"
import { check } from "./safekeepers/check.ts"
import { fullSync, syncOnce } from "./safekeepers/fullSync.ts"
import type { SyncFailed } from "./safekeepers/SyncFailed.ts"

export { SyncFailed } from "./safekeepers/SyncFailed.ts"

export interface SyncResult {
  readonly lsn: Lsn
  readonly checkMs: number
  /** 0 when the fast check sufficed. */
  readonly syncMs: number
}

export class Safekeepers extends Context.Tag("compute/Safekeepers")<
  Safekeepers,
  {
    /**
     * The fast check at once, else the `--sync-safekeepers` child with its retries. `confWritten` gates the child,
     * which reads `postgresql.conf`, so that the check runs beside the writing of the data directory.
     */
    readonly syncedLsn: (spec: ParsedSpec, confWritten: Effect.Effect<void>) => Effect.Effect<SyncResult, SyncFailed>
    /** One child run after Postgres has ended. */
    readonly finalSync: (spec: ParsedSpec) => Effect.Effect<{ readonly lsn: Lsn; readonly syncMs: number }, SyncFailed>
  }
>() {
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => make)
  )
}

const wholeMillis = (duration: Duration.Duration) => Math.floor(Duration.toMillis(duration))

const make = Effect.gen(function* () {
  const services = yield* Effect.context<Effect.Effect.Context<ReturnType<typeof fullSync>>>()
  return Safekeepers.of({
    syncedLsn: (spec, confWritten) =>
      Effect.gen(function* () {
        const [checked, lsn] = yield* Effect.timed(check(spec))
        const checkMs = wholeMillis(checked)
        if (lsn !== null) return { lsn, checkMs, syncMs: 0 }
        yield* confWritten
        const [took, synced] = yield* Effect.timed(fullSync(spec))
        return { lsn: synced, checkMs, syncMs: wholeMillis(took) }
      }).pipe(Effect.withSpan("sync safekeepers"), Effect.provide(services)),
    finalSync: (spec) =>
      Effect.timed(syncOnce(spec)).pipe(
        Effect.map(([took, lsn]) => ({ lsn, syncMs: wholeMillis(took) })),
        Effect.withSpan("final sync of safekeepers"),
        Effect.provide(services)
      )
  })
})
