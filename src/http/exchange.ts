/**
 * One request and its answer on a Node connection.
 */
import { randomUUID } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Rejection } from "./Rejection.ts"
import type { Request } from "./Request.ts"
import type { Response } from "./Route.ts"

/** How long the bytes of a body may take to arrive. */
const BODY_PATIENCE = "2 minutes"

const unbuffered = (status: number, reason: string) =>
  new Rejection({ status, text: `Failed to buffer the request body: ${reason}` })
const tooLarge = unbuffered(413, "length limit exceeded")
const broken = unbuffered(400, "error reading a body from connection")

/** What is refused is not read here; Node discards it once the answer is out, so that the client gets to see that. */
const readBody = (message: IncomingMessage, limit: number): Effect.Effect<Buffer, Rejection> =>
  Effect.async<Buffer, Rejection>((resume) => {
    if (Number(message.headers["content-length"] ?? 0) > limit) return resume(tooLarge)
    const chunks: Array<Buffer> = []
    let size = 0
    const settle = (result: Effect.Effect<Buffer, Rejection>) => {
      stop()
      resume(result)
    }
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > limit) settle(tooLarge)
      else chunks.push(chunk)
    }
    const onEnd = () => settle(Effect.succeed(Buffer.concat(chunks, size)))
    const onBroken = () => settle(broken)
    const stop = () => {
      message.off("data", onData).off("end", onEnd).off("close", onBroken).off("error", onBroken)
      message.on("error", ignore)
      message.pause()
    }
    message.on("data", onData).on("end", onEnd).on("close", onBroken).on("error", onBroken)
    return Effect.sync(stop)
  }).pipe(Effect.timeoutFail({ duration: BODY_PATIENCE, onTimeout: () => unbuffered(408, "timed out") }))

const ignore = () => {}

/** The first value: Node joins a header that came more than once. */
const requestId = (message: IncomingMessage): string => {
  const sent = message.headers["x-request-id"]
  if (sent === undefined) return randomUUID()
  return message.headersDistinct["x-request-id"]?.[0] ?? String(sent)
}

/** Some clients send the whole URI in the request line. */
const originForm = (url: string): string =>
  url.startsWith("/") ? url : url.replace(/^[a-z]+:\/\/[^/?#]*(?=[/?]|$)/i, "")

export const requestOf = (message: IncomingMessage): Request => {
  const url = originForm(message.url ?? "/")
  const mark = url.indexOf("?")
  return {
    method: message.method ?? "GET",
    url,
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? undefined : url.slice(mark + 1),
    headers: message.headers,
    id: requestId(message),
    body: (limit) => readBody(message, limit)
  }
}

/** Resolves when the connection takes more, or is gone. */
const drained = (target: ServerResponse) =>
  Effect.async<void>((resume) => {
    const done = () => {
      target.off("drain", done).off("close", done)
      resume(Effect.void)
    }
    target.on("drain", done).on("close", done)
    return Effect.sync(() => target.off("drain", done).off("close", done))
  })

const pour = <E>(target: ServerResponse, body: Stream.Stream<Uint8Array, E>): Effect.Effect<void, E> =>
  Stream.runForEach(body, (chunk) =>
    Effect.suspend(() => {
      if (target.destroyed) return Effect.interrupt
      return target.write(chunk) ? Effect.void : drained(target)
    })
  ).pipe(Effect.tap(() => Effect.sync(() => target.end())))

const headersOf = (response: Response, id: string): Array<string> => {
  const headers: Array<string> = ["x-request-id", id]
  for (const name in response.headers) headers.push(name, response.headers[name] ?? "")
  if (response.headers["content-length"] === undefined && response.body._tag !== "Stream") {
    headers.push("content-length", "0")
  }
  return headers
}

const bytesOf = ({ body }: Response): string | Uint8Array | undefined =>
  body._tag === "Uint8Array" || (body._tag === "Raw" && typeof body.body === "string")
    ? (body.body as string | Uint8Array)
    : undefined

/** Sends what is complete; false when it is not, or cannot be sent any more. */
export const sendNow = (target: ServerResponse, response: Response, id: string, withBody: boolean): boolean => {
  if (target.destroyed || target.headersSent) return false
  target.writeHead(response.status, headersOf(response, id))
  if (withBody && response.body._tag === "Stream") return false
  target.end(withBody ? bytesOf(response) : undefined)
  return true
}

/** Sends the answer; a body that fails on its way ends as a broken transfer. */
export const send = (target: ServerResponse, response: Response, id: string, withBody: boolean): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (sendNow(target, response, id, withBody) || target.destroyed || response.body._tag !== "Stream") {
      return Effect.void
    }
    target.on("error", ignore)
    target.flushHeaders()
    return pour(target, response.body.stream).pipe(
      Effect.tapErrorCause((cause) => Effect.logWarning("a response broke off", cause)),
      Effect.onExit((exit) => (exit._tag === "Failure" ? Effect.sync(() => target.destroy()) : Effect.void)),
      Effect.ignore
    )
  })
