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

const unreadStream = Stream.fromEffect(unread)
const nowhere = Option.none<string>()

type Changes = Parameters<HttpServerRequest.HttpServerRequest["modify"]>[0]

/**
 * What the library's router is given. The getters are the prototype's: for an object with one of its own V8 makes a hidden
 * class that holds the getter, and with it the whole request, until the old generation is collected.
 */
class RouterRequest implements HttpServerRequest.HttpServerRequest {
  readonly [HttpServerRequest.TypeId] = HttpServerRequest.TypeId
  readonly [HttpIncomingMessage.TypeId] = HttpIncomingMessage.TypeId
  readonly source: IncomingMessage
  readonly method: string
  readonly url: string
  readonly originalUrl: string
  readonly #changes: Changes
  #headers: Headers.Headers | undefined

  constructor(source: IncomingMessage, method: string, originalUrl: string, url: string, changes: Changes) {
    this.source = source
    this.method = method
    this.originalUrl = originalUrl
    this.url = changes.url ?? url
    this.#changes = changes
    this.#headers = changes.headers
  }
  get headers() {
    this.#headers ??= Headers.fromInput(this.source.headers)
    return this.#headers
  }
  get remoteAddress() {
    return this.#changes.remoteAddress ?? nowhere
  }
  get peerAddress() {
    return this.#changes.peerAddress ?? nowhere
  }
  get protocol() {
    return this.#changes.protocol
  }
  get cookies() {
    return {}
  }
  get json() {
    return unread
  }
  get text() {
    return unread
  }
  get urlParamsBody() {
    return unread
  }
  get arrayBuffer() {
    return unread
  }
  get stream() {
    return unreadStream
  }
  get multipart() {
    return unread
  }
  get multipartStream() {
    return unreadStream
  }
  get upgrade() {
    return unread
  }
  upgradeWith() {
    return unread
  }
  modify(changes: Changes) {
    const all = { ...this.#changes, ...changes }
    return new RouterRequest(this.source, this.method, this.originalUrl, this.url, all)
  }
  toJSON() {
    return { method: this.method, url: this.url }
  }
  toString() {
    return `${this.method} ${this.url}`
  }
  [Inspectable.NodeInspectSymbol]() {
    return this.toString()
  }
}

const unchanged: Changes = {}

/** The request for the library's router; `url` is the template of a route. */
export const forRouter = (
  { message, method, url: originalUrl }: Sent,
  url: string
): HttpServerRequest.HttpServerRequest => new RouterRequest(message, method, originalUrl, url, unchanged)
