/**
 * Asks a compute for what the client has no call for, as text. Errors are the client's own.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { withoutSlashes } from "../../domain/api/BaseUrl.ts"
import { excerpt } from "../../domain/json/Excerpt.ts"
import { read } from "../../domain/json/Json.ts"
import { child } from "../../domain/json/JsonValue.ts"
import { Refused, type Target, Unreachable } from "../../http/client.ts"
import { BodyTooLong, readBody } from "../../layers/http/readBody.ts"

/** Bytes. */
const LONGEST_ANSWER = 64 * 1024 * 1024
const SHOWN = 500

/** What went wrong beneath `fetch`, which itself only says that something did. */
const reasonOf = (error: unknown): string => {
  if (error instanceof BodyTooLong) return error.message
  const cause = error instanceof Error ? (error.cause ?? error) : error
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause
  return inner instanceof Error ? inner.message : "the connection failed"
}

const errorOf = (text: string): string => {
  const error = child(read(text).value, "error")
  return excerpt(typeof error === "string" ? error : text.trim(), SHOWN)
}

export interface Asked {
  /** JSON text; with it the request is a POST. */
  readonly body?: string | null
  /** For the whole answer. Default 10 s. */
  readonly limit?: Duration.Input
}

/** The text of an answer of success. Interruption ends the request. */
export const ask = (
  { token, url }: Target,
  path: string,
  { body = null, limit = "10 seconds" }: Asked = {}
): Effect.Effect<string, Unreachable | Refused> =>
  Effect.tryPromise({
    try: async (signal) => {
      const answer = await fetch(`${withoutSlashes(url)}${path}`, {
        method: body === null ? "GET" : "POST",
        signal,
        headers: {
          ...(token !== null && { authorization: `Bearer ${Redacted.value(token)}` }),
          ...(body !== null && { "content-type": "application/json" })
        },
        ...(body !== null && { body })
      })
      const bytes = answer.body === null ? Buffer.alloc(0) : await readBody(answer.body, LONGEST_ANSWER)
      return { status: answer.status, text: bytes.toString("utf8") }
    },
    catch: (error) => new Unreachable({ url, reason: reasonOf(error) })
  }).pipe(
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () => Effect.fail(new Unreachable({ url, reason: "no answer in time" }))
    }),
    Effect.filterOrFail(
      ({ status }) => status >= 200 && status < 300,
      ({ status, text }) => new Refused({ url, status, error: errorOf(text) })
    ),
    Effect.map(({ text }) => text)
  )
