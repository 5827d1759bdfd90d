/**
 * One request and its answer on a Node connection.
 */
import { randomUUID } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Response } from "../answers/answers.ts"
import type { Bodies } from "./bodies.ts"
import type { Sent } from "./Request.ts"

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

export const requestOf = (message: IncomingMessage, answer: ServerResponse, bodies: Bodies): Sent => {
  const url = originForm(message.url ?? "/")
  const mark = url.indexOf("?")
  return {
    method: message.method ?? "GET",
    url,
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? undefined : url.slice(mark + 1),
    message,
    id: requestId(message),
    body: (limit, use) => bodies.read(message, answer, limit, use)
  }
}

/** Resolves when the connection takes more, or is gone. */
const drained = (target: ServerResponse) =>
  Effect.callback<void>((resume) => {
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

/** A head goes out in the encoding of the text behind it; bytes of an id that are no ASCII come back as they came before bytes. */
const PLAIN = /^[\0-\x7f]*$/

const bytesOf = ({ body }: Response): string | Uint8Array | undefined => {
  if (body._tag === "Uint8Array") return body.text ?? body.body
  return body._tag === "Raw" && typeof body.body === "string" ? body.body : undefined
}

/** Sends what is complete; false when it is not, or cannot be sent any more. */
export const sendNow = (target: ServerResponse, response: Response, id: string, withBody: boolean): boolean => {
  if (target.destroyed || target.headersSent) return false
  target.writeHead(response.status, headersOf(response, id))
  if (withBody && response.body._tag === "Stream") return false
  const bytes = withBody ? bytesOf(response) : undefined
  target.end(typeof bytes === "string" && !PLAIN.test(id) ? Buffer.from(bytes) : bytes)
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
      Effect.tapCause((cause) => Effect.logWarning("a response broke off", cause)),
      Effect.onExit((exit) => (exit._tag === "Failure" ? Effect.sync(() => target.destroy()) : Effect.void)),
      Effect.ignore
    )
  })
