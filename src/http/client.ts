/**
 * Calls endpoints of a running compute, this program's or the original.
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { withoutSlashes } from "../domain/api/BaseUrl.ts"
import { decodeJson } from "../domain/json/Decode.ts"
import { excerpt } from "../domain/json/Excerpt.ts"
import { read } from "../domain/json/Json.ts"
import { child } from "../domain/json/JsonValue.ts"
import { readBody } from "../layers/http/readBody.ts"
import type { Endpoint, PathParams } from "./api/Endpoint.ts"
import * as api from "./api/lifecycle.ts"
import * as Query from "./api/Query.ts"
import { Status, StatusDetail } from "./api/StatusDetail.ts"

/** Bytes. */
const LONGEST_ANSWER = 64 * 1024 * 1024

export interface Target {
  /** `http://localhost:3080` */
  readonly url: string
  readonly token: Redacted.Redacted<string> | null
  /** For the whole answer; default 10 s. */
  readonly limit?: Duration.Input
}

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

/** What a call carries, as far as the endpoint has use for it. */
export interface Given<Path extends string> {
  readonly params?: { readonly [Name in PathParams<Path>]: string }
  readonly query?: Readonly<Record<string, string | number | boolean | null>>
  /** JSON text. */
  readonly body?: string
}

const pathOf = (template: string, params: Readonly<Record<string, string>>): string =>
  template.replace(/\{(\*?)([^{}]+)\}/g, (_, wild: string, name: string) => {
    const value = params[name] ?? ""
    return wild === "" ? encodeURIComponent(value) : value.split("/").map(encodeURIComponent).join("/")
  })

/** What went wrong beneath `fetch`, which itself only says that something did. */
const reasonOf = (error: unknown): string => {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause
  return inner instanceof Error ? inner.message : "the connection failed"
}

const SHOWN = 500

const errorOf = (text: string): string => {
  const error = child(read(text).value, "error")
  return excerpt(typeof error === "string" ? error : text.trim(), SHOWN)
}

/** The text of an answer of success. Interruption ends the request. */
export const call = <Path extends string, Q, B>(
  endpoint: Endpoint<Path, Q, B>,
  { limit = "10 seconds", token, url }: Target,
  { body, params, query = {} }: Given<Path> = {}
): Effect.Effect<string, Unreachable | Refused> => {
  const search = Query.encode(query)
  const address = `${withoutSlashes(url)}${pathOf(endpoint.path, params ?? {})}${search === "" ? "" : `?${search}`}`
  const headers = {
    ...(token !== null && { authorization: `Bearer ${Redacted.value(token)}` }),
    ...(body !== undefined && { "content-type": "application/json" })
  }
  const fetched = Effect.tryPromise({
    try: async (signal) => {
      const answer = await fetch(address, {
        method: endpoint.method,
        headers,
        signal,
        ...(body !== undefined && { body })
      })
      const bytes = answer.body === null ? Buffer.alloc(0) : await readBody(answer.body, LONGEST_ANSWER)
      return { status: answer.status, text: bytes.toString("utf8") }
    },
    catch: (error) => new Unreachable({ url, reason: reasonOf(error) })
  })
  return fetched.pipe(
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
}

const decoded =
  <A, I>(schema: Schema.Codec<A, I>, url: string) =>
  (text: string) =>
    Effect.fromResult(
      Result.mapError(decodeJson(schema, text), ({ message }) => new Unreadable({ url, reason: message }))
    )

export const status = (target: Target) => Effect.flatMap(call(api.status, target), decoded(Status, target.url))

/** Null from a compute that has no such endpoint: the original. */
export const statusDetail = (target: Target) =>
  call(api.statusDetail, target).pipe(
    Effect.flatMap(decoded(StatusDetail, target.url)),
    Effect.catchIf(
      (error) => error._tag === "Refused" && error.status === 404,
      () => Effect.succeed(null)
    )
  )
