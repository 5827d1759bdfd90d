/**
 * The safekeeper quorum: learns the commit LSN before a primary starts, and brings the members level after it ended.
 *
 * Source: `compute_tools/src/sync_sk.rs`, `compute_tools/src/compute.rs`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { Lsn } from "../domain/Lsn.ts"
import type { ParsedSpec } from "../domain/ParsedSpec.ts"

export class SyncFailed extends Data.TaggedError("SyncFailed")<{ readonly message: string }> {}

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
    readonly syncedLsn: (
      spec: ParsedSpec,
      confWritten: Effect.Effect<void>
    ) => Effect.Effect<SyncResult, SyncFailed>
    /** One child run after Postgres has ended. */
    readonly finalSync: (spec: ParsedSpec) => Effect.Effect<{ readonly lsn: Lsn; readonly syncMs: number }, SyncFailed>
  }
>() {}
