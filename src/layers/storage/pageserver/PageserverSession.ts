import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Lsn } from "../../../domain/spec/Lsn.ts"
import type { PageserverFailed } from "./errors.ts"

/** A connection to one pageserver, in either protocol; it closes with the scope that opened it. */
export interface PageserverSession {
  readonly connectMicros: number
  /** False once the peer has gone. */
  readonly isOpen: Effect.Effect<boolean>
  /** Gzipped tar. Fails where the server refuses before the first byte; the stream fails where it reports an error later, even after the last byte. */
  readonly basebackup: (lsn: Lsn) => Effect.Effect<Stream.Stream<Uint8Array, PageserverFailed>, PageserverFailed>
  /** Epoch milliseconds until which `lsn` is held; null when the server refuses to hold it. */
  readonly leaseLsn: (lsn: Lsn) => Effect.Effect<number | null, PageserverFailed>
}

/** Milliseconds. */
export const limits = {
  connect: 5_000,
  /** For so long a connection that nobody has used counts as good. */
  fresh: 30_000,
  /** Nothing from the server: it may wait 300 s for the LSN to arrive before it answers. */
  basebackupStall: 330_000,
  lease: 20_000
}
