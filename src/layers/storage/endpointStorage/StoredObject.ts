/**
 * An object of the store, and what the store answers about it.
 */
import type * as Redacted from "effect/Redacted"
import type * as Stream from "effect/Stream"
import type { EndpointStorageFailed } from "./errors.ts"

/** Where the state of one endpoint's cache lies. */
export interface StoredObject {
  /** `host:port`. */
  readonly address: string
  readonly token: Redacted.Redacted<string>
  /** Segments of the path; each is escaped. */
  readonly path: ReadonlyArray<string>
}

export interface StorageAnswer {
  readonly status: number
  /** Code and reason, as in `404 Not Found`. */
  readonly statusText: string
  /** Ends with a failure when the connection breaks, or nothing comes for 30 s. */
  readonly body: Stream.Stream<Uint8Array, EndpointStorageFailed>
}
