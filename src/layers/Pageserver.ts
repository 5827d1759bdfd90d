/**
 * The pageserver of shard 0, which makes basebackups, and all of them for leases. libpq and gRPC behind one interface,
 * chosen by the spec's `prefer_protocol`.
 *
 * Source: `compute_tools/src/compute.rs`, `compute_tools/src/lsn_lease.rs`, `pageserver/src/page_service.rs`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Lsn } from "../domain/Lsn.ts"
import type { ParsedSpec } from "../domain/ParsedSpec.ts"

/** `transient` failures are worth another try; the others (refused token, unknown timeline, bad LSN) are not. */
export class PageserverFailed extends Data.TaggedError("PageserverFailed")<{
  readonly message: string
  readonly transient: boolean
  /** SQLSTATE or gRPC status. */
  readonly code: string | null
}> {}

export interface Basebackup {
  /** Compressed bytes up to the true end: the stream fails when the server reports an error after the last byte of the archive. */
  readonly bytes: Stream.Stream<Uint8Array, PageserverFailed>
  readonly connectMicros: number
}

export class Pageserver extends Context.Tag("compute/Pageserver")<
  Pageserver,
  {
    /** One try. An LSN of `0/0` asks for the latest. `opened` early connections close with the scope. */
    readonly basebackup: (spec: ParsedSpec, lsn: Lsn) => Effect.Effect<Basebackup, PageserverFailed, Scope.Scope>
    /**
     * Leases `lsn` on every pageserver of every shard at once.
     * Succeeds with the earliest expiry, epoch milliseconds; null when any of them refused.
     */
    readonly leaseLsn: (spec: ParsedSpec, lsn: Lsn) => Effect.Effect<number | null, PageserverFailed>
  }
>() {}
