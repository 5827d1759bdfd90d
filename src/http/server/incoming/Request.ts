/**
 * One request as it came, beside what the library makes of it.
 */
import type { IncomingMessage } from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Body } from "./bodies.ts"
import type { Rejection } from "./Rejection.ts"

export interface Sent {
  readonly method: string
  /** Path and query. */
  readonly url: string
  /** Neither decoded nor normalised. */
  readonly path: string
  /** Behind `?`; absent without one. */
  readonly query: string | undefined
  readonly message: IncomingMessage
  /** The value of `x-request-id`, ours when the client sent none. */
  readonly id: string
  /**
   * Gives the whole body to `use`; refused with 413 beyond `limit` bytes and with 400 when the transfer breaks off. Until
   * `use` is done, the body counts against what all bodies may take together.
   */
  readonly body: <A, E>(limit: number, use: (body: Body) => Effect.Effect<A, E>) => Effect.Effect<A, E | Rejection>
}

export class Request extends Context.Service<Request, Sent>()("http/Request") {}

/** A body is read by `Sent.body` alone, which knows the limits. */
const unread = Effect.die(new Error("a body is read through its limits"))

/** The request for the library's router; `url` is the template of a route. */
export const forRouter = (
  { message, method, url: originalUrl }: Sent,
  url: string
): HttpServerRequest.HttpServerRequest => {
  let headers: Headers.Headers | undefined
  return {
    [HttpServerRequest.TypeId]: HttpServerRequest.TypeId,
    [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId,
    source: message,
    method,
    url,
    originalUrl,
    get headers() {
      headers ??= Headers.fromInput(message.headers)
      return headers
    },
    cookies: {},
    remoteAddress: Option.none(),
    peerAddress: Option.none(),
    protocol: undefined,
    json: unread,
    text: unread,
    urlParamsBody: unread,
    arrayBuffer: unread,
    stream: Stream.fromEffect(unread),
    multipart: unread,
    multipartStream: Stream.fromEffect(unread),
    upgrade: unread,
    upgradeWith: () => unread,
    modify(options) {
      return { ...this, ...options }
    },
    toJSON: () => ({ method, url }),
    toString: () => `${method} ${url}`,
    [Inspectable.NodeInspectSymbol]: () => `${method} ${url}`
  }
}
