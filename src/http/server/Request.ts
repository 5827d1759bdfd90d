/**
 * What a handler may know of a request.
 */
import type { IncomingHttpHeaders } from "node:http"
import type * as Effect from "effect/Effect"
import type { Rejection } from "./Rejection.ts"

export interface Request {
  readonly method: string
  /** As sent: path and query. */
  readonly url: string
  /** Neither decoded nor normalised. */
  readonly path: string
  /** Behind `?`; absent without one. */
  readonly query: string | undefined
  readonly headers: IncomingHttpHeaders
  /** The value of `x-request-id`, ours when the client sent none. */
  readonly id: string
  /**
   * Gives the whole body to `use`; refused with 413 beyond `limit` bytes and with 400 when the transfer breaks off. Until
   * `use` is done, the body counts against what all bodies may take together.
   */
  readonly body: <A, E>(limit: number, use: (bytes: Buffer) => Effect.Effect<A, E>) => Effect.Effect<A, E | Rejection>
}
