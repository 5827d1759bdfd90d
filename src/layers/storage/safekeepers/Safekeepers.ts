/**
 * The safekeeper quorum: learns the commit LSN before a primary starts, and brings the members level after it ended.
 *
 * Source: `compute_tools/src/sync_sk.rs`, `compute_tools/src/compute.rs`.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { syncSeconds } from "../../../domain/observe/MetricFamilies.ts"
import type { Lsn } from "../../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { Metrics } from "../../observe/Metrics.ts"
import { check } from "./check.ts"
import { fullSync, syncAtEnd } from "./fullSync.ts"
import type { SyncFailed } from "./SyncFailed.ts"

export { SyncFailed } from "./SyncFailed.ts"

export interface SyncResult {
  readonly lsn: Lsn
  readonly checkMs: number
  /** 0 when the fast check sufficed. */
  readonly syncMs: number
}

export class Safekeepers extends Context.Service<
  Safekeepers,
  {
    /**
     * The fast check at once, else the `--sync-safekeepers` child with its retries. `confWritten` gates the child,
     * which reads `postgresql.conf`, so that the check runs beside the writing of the data directory.
     */
    readonly syncedLsn: (spec: ParsedSpec, confWritten: Effect.Effect<void>) => Effect.Effect<SyncResult, SyncFailed>
    /** The child after Postgres has ended. Once, unless the members change under it. */
    readonly finalSync: (spec: ParsedSpec) => Effect.Effect<{ readonly lsn: Lsn; readonly syncMs: number }, SyncFailed>
  }
>()("compute/Safekeepers") {
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => make)
  )
}

/** How long a step took, in whole milliseconds, counted into its histogram whatever its outcome. */
const measured = <A, E, R>(kind: "check" | "full" | "final", step: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const [took, exit] = yield* Effect.timed(Effect.exit(step))
    const millis = Duration.toMillis(took)
    yield* metrics.observe(syncSeconds, { kind, outcome: Exit.isSuccess(exit) ? "ok" : "error" }, millis / 1000)
    return [Math.floor(millis), yield* exit] as const
  })

const make = Effect.gen(function* () {
  const services = yield* Effect.context<Effect.Services<ReturnType<typeof fullSync>> | Metrics>()
  return Safekeepers.of({
    syncedLsn: (spec, confWritten) =>
      Effect.gen(function* () {
        const [checkMs, lsn] = yield* measured("check", check(spec))
        if (lsn !== null) return { lsn, checkMs, syncMs: 0 }
        yield* confWritten
        const [syncMs, synced] = yield* measured("full", Effect.withSpan(fullSync(spec), "sync_safekeepers"))
        return { lsn: synced, checkMs, syncMs }
      }).pipe(Effect.provide(services)),
    finalSync: (spec) =>
      measured("final", syncAtEnd(spec)).pipe(
        Effect.map(([syncMs, lsn]) => ({ lsn, syncMs })),
        Effect.withSpan("final sync of safekeepers"),
        Effect.provide(services)
      )
  })
})
