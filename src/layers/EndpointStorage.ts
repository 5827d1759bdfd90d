/**
 * The store in which an endpoint keeps the state of its local file cache between two lives.
 *
 * Source: `compute_tools/src/compute_prewarm.rs`, `endpoint_storage/`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { get, put } from "./endpointStorage/client.ts"
import { EndpointStorageFailed } from "./endpointStorage/EndpointStorageFailed.ts"

export { EndpointStorageFailed }

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

export class EndpointStorage extends Context.Tag("compute/EndpointStorage")<
  EndpointStorage,
  {
    /** Succeeds at the end of the response's head; the connection closes with the scope. */
    readonly get: (object: StoredObject) => Effect.Effect<StorageAnswer, EndpointStorageFailed, Scope.Scope>
    /** Sends the chunks one by one. Succeeds with the status. */
    readonly put: (
      object: StoredObject,
      body: ReadonlyArray<Uint8Array>
    ) => Effect.Effect<Pick<StorageAnswer, "status" | "statusText">, EndpointStorageFailed>
  }
>() {
  static readonly layer = Layer.sync(this, () => ({ get, put }))
}
