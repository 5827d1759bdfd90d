/**
 * JSON bodies: media type, size, syntax, shape, in that order.
 *
 * Source: `compute_tools/src/http/extract/json.rs`; the texts are those of the library beneath it.
 */
import type * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { decodeSteps } from "../../../domain/json/decode/Decode.ts"
import type { Steps } from "../../../domain/json/Steps.ts"
import { Utf8Text } from "../../../domain/json/Utf8.ts"
import { resultInSlices } from "../../../layers/compute/clock/Slices.ts"
import type { Body } from "./bodies.ts"
import { Rejection } from "./Rejection.ts"
import type { Sent } from "./Request.ts"

/** `application/json` or `application/<x>+json`, with or without parameters. */
const JSON_TYPE = /^\s*application\/(?:json|[^\s;,/]+\+json)\s*(?:;|$)/i

export const notJson = new Rejection({ status: 415, text: "Expected request with `Content-Type: application/json`" })
const syntax = (reason: string) =>
  new Rejection({ status: 400, text: `Failed to parse the request body as JSON: ${reason}` })
const shape = (reason: string) =>
  new Rejection({ status: 422, text: `Failed to deserialize the JSON body into the target type: ${reason}` })

export function* parse<B>(schema: Schema.Codec<B, unknown>, body: Body): Steps<Result.Result<B, Rejection>> {
  const text = new Utf8Text(body)
  const decoded = yield* decodeSteps(schema, text, { trailing: "ignore" })
  if (text.isBroken) return Result.fail(syntax("invalid unicode code point"))
  return Result.mapError(decoded, ({ kind, message }) => (kind === "syntax" ? syntax(message) : shape(message)))
}

export const isJson = (request: Sent): boolean => JSON_TYPE.test(request.message.headers["content-type"] ?? "")

/** The body as a value of `schema`. Anything behind the JSON value is ignored. */
export const decodeBody = <B>(
  schema: Schema.Codec<B, unknown>,
  limit: number,
  request: Sent
): Effect.Effect<B, Rejection> =>
  isJson(request) ? request.body(limit, (body) => resultInSlices(parse(schema, body))) : notJson
