/**
 * Asks a compute for what the client has no call for, as text. Errors are the client's own.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { withoutSlashes } from "../../../domain/api/BaseUrl.ts"
import { decodeJson } from "../../../domain/json/decode/Decode.ts"
import {
  errorOf,
  LONGEST_ANSWER,
  Refused,
  reasonOf,
  type Target,
  Unreachable,
  Unreadable
} from "../../../http/client.ts"
import { readBody } from "../../../layers/http/readBody.ts"

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

/** The answer as a value of `schema`. */
export const askFor = <A, I>(schema: Schema.Codec<A, I>, target: Target, path: string) =>
  Effect.flatMap(ask(target, path), (text) =>
    Effect.fromResult(
      Result.mapError(decodeJson(schema, text), ({ message }) => new Unreadable({ url: target.url, reason: message }))
    )
  )
