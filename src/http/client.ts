/**
 * What `compute_ctl status` asks a running compute, this program or the original.
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { withoutSlashes } from "../domain/api/BaseUrl.ts"
import { excerpt } from "../domain/json/Excerpt.ts"
import { read } from "../domain/json/Json.ts"
import { child } from "../domain/json/JsonValue.ts"
import { readBody } from "../layers/http/readBody.ts"
import { External } from "./api/Api.ts"

export interface Target {
  /** `http://localhost:3080` */
  readonly url: string
  readonly token: Redacted.Redacted<string> | null
  /** For the whole answer; default 10 s. */
  readonly limit?: Duration.Input
}

/** Bytes. */
export const LONGEST_ANSWER = 64 * 1024 * 1024

/** An answer without end is given up. */
const bounded = Layer.succeed(FetchHttpClient.Fetch, async (input, init) => {
  const { body, headers, status } = await fetch(input, init)
  const bytes = body === null ? null : await readBody(body, LONGEST_ANSWER)
  return new Response(bytes, { headers, status })
})

/** There was no answer. */
export class Unreachable extends Data.TaggedError("Unreachable")<{ readonly url: string; readonly reason: string }> {
  override get message() {
    return `cannot reach ${this.url}: ${this.reason}`
  }
}

/** The answer is not one of success. `error` is the compute's own text. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly url: string
  readonly status: number
  readonly error: string
}> {
  override get message() {
    return `${this.url} answered ${this.status}${this.error === "" ? "" : `: ${this.error}`}`
  }
}

/** The answer is one of success, but not what it should look like. */
export class Unreadable extends Data.TaggedError("Unreadable")<{ readonly url: string; readonly reason: string }> {
  override get message() {
    return `${this.url} does not answer like a compute: ${this.reason}`
  }
}

/** Ports of other protocols, as 6000 and 10080: a list of the Fetch standard. */
const BLOCKED = "no HTTP client asks at this port, as browsers do not: give the compute another one"

/** What went wrong beneath `fetch`, which itself only says that something did. */
export const reasonOf = (error: unknown): string => {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause
  if (!(inner instanceof Error)) return "the connection failed"
  return inner.message === "bad port" ? BLOCKED : inner.message
}

const SHOWN = 500

/** The compute's own text in an answer that is not one of success. */
export const errorOf = (text: string): string => {
  const error = child(read(text).value, "error")
  return excerpt(typeof error === "string" ? error : text.trim(), SHOWN)
}

/** What the library says of a request that did not succeed; its own texts show the whole request. */
const failure =
  (url: string) =>
  (error: unknown): Effect.Effect<never, Unreachable | Refused | Unreadable> => {
    if (!HttpClientError.isHttpClientError(error)) {
      return Effect.fail(new Unreadable({ url, reason: excerpt(error instanceof Error ? error.message : "", SHOWN) }))
    }
    const { reason } = error
    if (reason._tag === "TransportError") return Effect.fail(new Unreachable({ url, reason: reasonOf(reason.cause) }))
    if (reason._tag !== "StatusCodeError") return Effect.fail(new Unreadable({ url, reason: "it is no JSON" }))
    const { status, text } = reason.response
    return text.pipe(
      Effect.orElseSucceed(() => ""),
      Effect.flatMap((body) => Effect.fail(new Refused({ url, status, error: errorOf(body) })))
    )
  }

const askable = ({ token, url }: Target) =>
  Effect.map(HttpClient.HttpClient, (client) =>
    client.pipe(
      HttpClient.mapRequest(HttpClientRequest.prependUrl(withoutSlashes(url))),
      HttpClient.mapRequest(token === null ? (request) => request : HttpClientRequest.bearerToken(token)),
      HttpClient.filterStatusOk
    )
  )

const answered = <A, E>({ limit = "10 seconds", url }: Target, ask: Effect.Effect<A, E, HttpClient.HttpClient>) =>
  ask.pipe(
    Effect.catch(failure(url)),
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () => Effect.fail(new Unreachable({ url, reason: "no answer in time" }))
    }),
    Effect.provide(FetchHttpClient.layer.pipe(Layer.provide(bounded)))
  )

const lifecycle = (target: Target) =>
  Effect.flatMap(askable(target), (httpClient) => HttpApiClient.group(External, { group: "lifecycle", httpClient }))

export const status = (target: Target) =>
  answered(
    target,
    Effect.flatMap(lifecycle(target), (ask) => ask.status())
  )

/** Null from a compute that has no such endpoint: the original. */
export const statusDetail = (target: Target) =>
  answered(
    target,
    Effect.flatMap(lifecycle(target), (ask) => ask.status_detail())
  ).pipe(
    Effect.catchIf(
      (error) => error._tag === "Refused" && error.status === 404,
      () => Effect.succeed(null)
    )
  )

/** All that it says of itself; of the original, which has no detail, the status. */
export const standing = (target: Target) =>
  Effect.flatMap(statusDetail(target), (detail) => (detail === null ? status(target) : Effect.succeed(detail)))
