/**
 * What is answered instead of a success. On the wire it is `{"error": text}`, and the status tells which one; a client gets
 * it with a tag.
 */

import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { ActivityReport } from "../../../domain/status/Activity.ts"

const ErrorBody = Schema.Struct({ error: Schema.String }).annotate({ identifier: "Error" })

const refusal = <const Tag extends string>(tag: Tag, status: number, description: string) =>
  ErrorBody.pipe(
    Schema.decodeTo(
      Schema.Struct({ _tag: Schema.tag(tag), error: Schema.String }),
      SchemaTransformation.transform({
        decode: ({ error }) => ({ _tag: tag, error }),
        encode: ({ error }) => ({ error })
      })
    ),
    HttpApiSchema.status(status),
    Schema.annotate({ description })
  )

/** A refusal as text instead of JSON. */
const textRefusal = <const Tag extends string>(tag: Tag, status: number, description: string) =>
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.Struct({ _tag: Schema.tag(tag), error: Schema.String }),
      SchemaTransformation.transform({
        decode: (error) => ({ _tag: tag, error }),
        encode: ({ error }) => error
      })
    ),
    HttpApiSchema.asText({ contentType: "text/plain; charset=utf-8" }),
    HttpApiSchema.status(status),
    Schema.annotate({ description })
  )

export const BadRequest = refusal("BadRequest", 400, "The request, or the spec in it, is not valid")
export const Unauthorized = refusal("Unauthorized", 401, "The token was not signed with a key of this compute")
export const Forbidden = refusal("Forbidden", 403, "The token is for another compute")
export const NotFound = refusal("NotFound", 404, "There is no such thing")
const TooSlow = refusal("TooSlow", 408, "The body took too long while others waited")
export const Conflict = refusal("Conflict", 409, "Something else has to happen first")
export const WrongStatus = refusal("WrongStatus", 412, "The compute's status does not allow it")
const TooLarge = refusal("TooLarge", 413, "The body is too large")
const NotJson = refusal("NotJson", 415, "The body is not announced as JSON")
const WrongShape = refusal("WrongShape", 422, "The body is JSON of another shape")
export const UnderWay = refusal("UnderWay", 429, "It is being done already")
export const Failed = refusal("Failed", 500, "It failed")
export const Unavailable = refusal("Unavailable", 503, "There are too many requests, or compute_ctl is shutting down")

const Fault = Schema.Struct({ path: Schema.String, message: Schema.String }).annotate({ identifier: "Fault" })
const faulty = { error: Schema.String, faults: Schema.optionalKey(Schema.Array(Fault)) }

/** `WrongShape` with all that is wrong: each with its JSON path, the first hundred, in bodies of up to 1 MiB. */
const Faulty = Schema.Struct(faulty)
  .annotate({ identifier: "Faulty" })
  .pipe(
    Schema.decodeTo(
      Schema.Struct({ _tag: Schema.tag("WrongShape"), ...faulty }),
      SchemaTransformation.transform({
        decode: (members) => ({ _tag: "WrongShape" as const, ...members }),
        encode: ({ _tag, ...members }) => members
      })
    ),
    HttpApiSchema.status(422),
    Schema.annotate({ description: "The body is JSON of another shape, and where" })
  )

/** What may become of a body before anybody looks at what it says. */
export const ofBody = [BadRequest, TooSlow, TooLarge, NotJson, WrongShape] as const

/** As `ofBody`, with every fault. */
export const ofExplainedBody = [BadRequest, TooSlow, TooLarge, NotJson, Faulty] as const

/** As `ofBody`, in the library's own words. */
export const ofBodyAsText = [
  textRefusal("BadRequest", 400, "The body is not JSON"),
  textRefusal("TooSlow", 408, "The body took too long while others waited"),
  textRefusal("TooLarge", 413, "The body is too large"),
  textRefusal("NotJson", 415, "The body is not announced as JSON"),
  textRefusal("WrongShape", 422, "The body is JSON of another shape")
] as const

export const OfQuery = textRefusal("BadRequest", 400, "The query is not valid")

const inUse = { error: Schema.String, reasons: Schema.Array(Schema.String), activity: ActivityReport }

/** Who or what uses a compute that was to stop only when idle. */
export const InUse = Schema.Struct(inUse).pipe(
  Schema.decodeTo(
    Schema.Struct({ _tag: Schema.tag("InUse"), ...inUse }),
    SchemaTransformation.transform({
      decode: (members) => ({ _tag: "InUse" as const, ...members }),
      encode: ({ _tag, ...members }) => members
    })
  ),
  HttpApiSchema.status(409),
  Schema.annotate({ description: "The compute is in use" })
)

export type Refusal = { readonly _tag: string; readonly error: string }

export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === "object" && value !== null && "error" in value && typeof value.error === "string"
