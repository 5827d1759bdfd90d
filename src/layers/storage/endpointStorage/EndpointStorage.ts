/**
 * The store in which an endpoint keeps the state of its local file cache between two lives.
 *
 * Source: `compute_tools/src/compute_prewarm.rs`, `endpoint_storage/`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { EndpointStorageFailed } from "./errors.ts"
import type { StorageAnswer, StoredObject } from "./StoredObject.ts"

export { EndpointStorageFailed } from "./errors.ts"
export type { StorageAnswer, StoredObject } from "./StoredObject.ts"

const client = Effect.promise(() => import("./client.ts"))

export class EndpointStorage extends Context.Service<
  EndpointStorage,
  {
    /** Succeeds at the end of the response's head; the connection closes with the scope. */
    readonly get: (object: StoredObject) => Effect.Effect<StorageAnswer, EndpointStorageFailed, Scope.Scope>
    /** Sends the chunks one by one. Succeeds with the status as soon as it is there. */
    readonly put: (
      object: StoredObject,
      body: ReadonlyArray<Uint8Array>
    ) => Effect.Effect<Pick<StorageAnswer, "status" | "statusText">, EndpointStorageFailed>
  }
>()("compute/EndpointStorage") {
  /** The client is loaded with the first request: few computes ask at all. */
  static readonly layer = Layer.sync(this, () => ({
    get: (object) => Effect.flatMap(client, ({ get }) => get(object)),
    put: (object, body) => Effect.flatMap(client, ({ put }) => put(object, body))
  }))
}
