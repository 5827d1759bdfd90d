/**
 * The safekeeper quorum: learns the commit LSN before a primary starts, and brings the members level after it ended.
 *
 * Source: `compute_tools/src/sync_sk.rs`, `compute_tools/src/compute.rs`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Lsn } from "../../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { timedMillis } from "../../compute/clock/timedMillis.ts"
import { checkEarly } from "./check.ts"
import type { SyncFailed } from "./errors.ts"
import { fullSync, type Synced, syncAtEnd } from "./fullSync.ts"

export { SyncFailed } from "./errors.ts"
export type { Synced } from "./fullSync.ts"

export interface Checked {
  readonly lsn: Lsn | null
  readonly tookMs: number
}

export class Safekeepers extends Context.Service<
  Safekeepers,
  {
    /**
     * Begins to connect to all of them and does not wait for it. What it gives is the fast check, once; no LSN when they have to
     * be brought in sync. The sessions close with it, or with the scope.
     */
    readonly connectEarly: (spec: ParsedSpec) => Effect.Effect<Effect.Effect<Checked>, never, Scope.Scope>
    /** The `--sync-safekeepers` child with its retries. It reads `postgresql.conf`. */
    readonly sync: (spec: ParsedSpec) => Effect.Effect<Synced, SyncFailed>
    /** The child after Postgres has ended. Once, unless the members change under it. */
    readonly finalSync: (spec: ParsedSpec) => Effect.Effect<Synced, SyncFailed>
  }
>()("compute/Safekeepers") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

function* make() {
  const services = yield* Effect.context<Effect.Services<ReturnType<typeof fullSync>>>()
  return Safekeepers.of({
    connectEarly: (spec) =>
      Effect.map(checkEarly(spec), (check) => Effect.map(timedMillis(check), ([tookMs, lsn]) => ({ lsn, tookMs }))),
    sync: (spec) => fullSync(spec).pipe(Effect.withSpan("sync_safekeepers"), Effect.provide(services)),
    finalSync: (spec) => syncAtEnd(spec).pipe(Effect.withSpan("final sync of safekeepers"), Effect.provide(services))
  })
}
