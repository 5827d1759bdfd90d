/**
 * The endpoint storage over HTTP.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type HttpFailed, send } from "../../http/outgoing/send.ts"
import { EndpointStorageFailed } from "./errors.ts"
import type { StorageAnswer, StoredObject } from "./StoredObject.ts"

/** Milliseconds. */
const CONNECT = 5_000
/** Between two chunks, and up to the answer's head: the store may have to ask another one. */
const SILENCE = 30_000

const failed = ({ message }: HttpFailed) => new EndpointStorageFailed({ message })

/** One segment stays one segment: a dot segment has no escaped form, so callers must not pass any. */
const url = ({ address, path }: StoredObject): string => `http://${address}/${path.map(encodeURIComponent).join("/")}`

const request = (object: StoredObject) => ({
  url: url(object),
  token: object.token,
  connect: CONNECT,
  silence: SILENCE
})

export const get = (object: StoredObject) =>
  send({ method: "GET", ...request(object) }).pipe(
    Effect.mapBoth({
      onFailure: failed,
      onSuccess: ({ body, status, statusText }): StorageAnswer => ({
        status,
        statusText,
        body: Stream.mapError(body, failed)
      })
    })
  )

/** What follows the status line decides nothing, and is not waited for. */
export const put = (object: StoredObject, body: ReadonlyArray<Uint8Array>) =>
  send({ method: "PUT", ...request(object), body }).pipe(
    Effect.mapBoth({ onFailure: failed, onSuccess: ({ status, statusText }) => ({ status, statusText }) }),
    Effect.scoped
  )
