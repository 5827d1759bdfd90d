/**
 * The endpoint storage over HTTP. One connection per request: there are minutes between them.
 */
import { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { Dispatcher } from "undici"
import { EndpointStorageFailed } from "./EndpointStorageFailed.ts"
import type { StorageAnswer, StoredObject } from "./StoredObject.ts"

const CONNECT_MILLIS = 5_000
/** From the last byte of the request to the response's head: the store may have to ask another one. */
const HEAD_MILLIS = 30_000
/** Between two chunks of the body. */
const STALL_MILLIS = 30_000

const undici = Effect.promise(() => import("undici"))
const http = Effect.promise(() => import("node:http"))

/** The innermost text: undici wraps what the socket said. */
const reason = (error: unknown): string => {
  let current = error
  while (current instanceof Error && current.cause instanceof Error) current = current.cause
  if (current instanceof AggregateError && current.message === "") return reason(current.errors[0])
  return current instanceof Error ? current.message : String(current)
}
const failed = (error: unknown) => new EndpointStorageFailed({ message: reason(error) })

/** One segment stays one segment: a dot segment has no escaped form, so callers must not pass any. */
const url = ({ address, path }: StoredObject): string => `http://${address}/${path.map(encodeURIComponent).join("/")}`

const agent = Effect.acquireRelease(
  Effect.map(undici, ({ EnvHttpProxyAgent }) => {
    const { http_proxy, HTTP_PROXY, all_proxy, ALL_PROXY } = process.env
    const httpProxy = http_proxy ?? HTTP_PROXY ?? all_proxy ?? ALL_PROXY
    return new EnvHttpProxyAgent({
      connect: { timeout: CONNECT_MILLIS },
      headersTimeout: HEAD_MILLIS,
      bodyTimeout: STALL_MILLIS,
      ...(httpProxy !== undefined && { httpProxy })
    })
  }),
  (opened) => Effect.promise(() => opened.destroy().catch(() => undefined))
)

const request = (object: StoredObject, options: Pick<Dispatcher.RequestOptions, "method" | "body" | "headers">) =>
  Effect.gen(function* () {
    const { request } = yield* undici
    const dispatcher = yield* agent
    const { STATUS_CODES } = yield* http
    const { statusCode, body } = yield* Effect.tryPromise({
      try: (signal) =>
        request(url(object), {
          ...options,
          headers: { ...options.headers, authorization: `Bearer ${Redacted.value(object.token)}` },
          dispatcher,
          signal
        }),
      catch: failed
    })
    return {
      status: statusCode,
      statusText: `${statusCode} ${STATUS_CODES[statusCode] ?? "<unknown status code>"}`,
      body
    }
  })

export const get = (object: StoredObject) =>
  request(object, { method: "GET" }).pipe(
    Effect.map(
      ({ body, ...answer }): StorageAnswer => ({
        ...answer,
        body: Stream.fromAsyncIterable<Uint8Array, EndpointStorageFailed>(body, failed)
      })
    )
  )

export const put = (object: StoredObject, body: ReadonlyArray<Uint8Array>) => {
  const length = body.reduce((total, chunk) => total + chunk.byteLength, 0)
  return request(object, {
    method: "PUT",
    body: Readable.from(body, { objectMode: false }),
    headers: { "content-length": String(length), "content-type": "application/octet-stream" }
  }).pipe(
    Effect.tap(({ body: answer }) => Effect.promise(() => answer.dump().catch(() => undefined))),
    Effect.map(({ status, statusText }) => ({ status, statusText })),
    Effect.scoped
  )
}
