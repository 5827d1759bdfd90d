/**
 * A route: an endpoint of the API and what answers it.
 *
 * To add one:
 * 1. describe it as an `endpoint` in `api/<area>.ts`;
 * 2. in `routes/<area>.ts` give it a handler of one line into a service or program:
 *
 * ```ts
 * export const routes = [
 *   route(databaseSchema, ({ query }) =>
 *     Effect.flatMap(Catalog, (catalog) => catalog.schemaDump(query.database)).pipe(
 *       Effect.map((sql) => streamed(200, "application/json", sql)),
 *       Effect.catchTag("DatabaseMissing", () => refuse(404, "database does not exist")),
 *       orStatus(500)
 *     ))
 * ]
 * ```
 * 3. add that `routes` to the list in `routes/all.ts`. The servers' requirements follow from the handlers'.
 *
 * Query, body and `params` arrive decoded and typed; their refusals, authorization, 404 and 405, HEAD, request ids, logs
 * and spans are the router's. A handler succeeds with a response (`json`, `empty`, `plain`, `streamed`) or fails with
 * `ApiError` (`refuse`, `orStatus`); a defect is logged and answered with 500.
 * It runs in a fiber of the server: a client that goes away interrupts GET handlers and leaves the others at work, unless
 * the endpoint's `onDisconnect` says otherwise. Its `Scope` stays open until the response has been sent, streams included.
 */

import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { textSteps } from "../../domain/json/JsonText.ts"
import { ComputeState, InvalidStatus } from "../../layers/compute/ComputeState.ts"
import { inSlices } from "../../layers/compute/clock/Slices.ts"
import type { Described, Endpoint, PathParams } from "../api/Endpoint.ts"
import { decodeBody } from "./body.ts"
import { Rejection } from "./Rejection.ts"
import type { Request } from "./Request.ts"

export type Response = HttpServerResponse.HttpServerResponse

/** What a handler refuses with: `{"error": text}`, followed by the members of `details`. */
export class ApiError extends Data.TaggedError("ApiError")<{
  readonly status: number
  readonly text: string
  readonly details?: object
}> {
  override get message() {
    return this.text
  }
}

/** A text is kept as one: the head and the body then leave in one write. */
export const plain = (status: number, contentType: string, text: string): Response =>
  HttpServerResponse.raw(text, { status, contentType, contentLength: Buffer.byteLength(text) })

/** Compact JSON; members in the order of the object. */
export const json = (status: number, value: object | string | number | boolean | null): Response =>
  plain(status, "application/json", JSON.stringify(value))

/** As `json`, for what may be large: made in slices, and sent piece by piece. */
export const largeJson = (status: number, value: object | null): Effect.Effect<Response> =>
  Effect.map(inSlices(textSteps(value)), (texts) => {
    const [first, ...others] = texts
    if (first !== undefined && others.length === 0) return plain(status, "application/json", first)
    const pieces = texts.map((text) => Buffer.from(text))
    return HttpServerResponse.stream(Stream.fromIterable(pieces), {
      status,
      contentType: "application/json",
      contentLength: pieces.reduce((sum, { length }) => sum + length, 0)
    })
  })

export const empty = (status: number): Response => HttpServerResponse.empty({ status })

/**
 * Chunked. The stream may not need more than the handler's own scope; a failure breaks the transfer off, so that the
 * client cannot take what it got for the whole.
 */
export const streamed = <E>(status: number, contentType: string, body: Stream.Stream<Uint8Array, E>): Response =>
  HttpServerResponse.stream(body, { status, contentType })

export const refuse = (status: number, text: string, details?: object) =>
  new ApiError({ status, text, ...(details !== undefined && { details }) })

/** Every error that is not an `ApiError` yet becomes one with its message. */
export const orStatus =
  (status: number, prefix = "") =>
  <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, ApiError, R> =>
    Effect.mapError(effect, (error) => (error instanceof ApiError ? error : refuse(status, prefix + error.message)))

/** 412 unless the compute is running. */
export const requireRunning = Effect.flatMap(ComputeState, (state) => state.get).pipe(
  Effect.flatMap((state) =>
    state.status === "running" ? Effect.void : Effect.fail(new InvalidStatus({ status: state.status }))
  ),
  orStatus(412)
)

export interface Input<Path extends string, Q, B> {
  readonly query: Q
  readonly body: B
  readonly params: { readonly [Name in PathParams<Path>]: string }
  readonly request: Request
}

export interface Route<R> {
  readonly endpoint: Described
  /** `params` holds what the router found at the names of the endpoint's path. */
  readonly respond: (
    request: Request,
    params: Readonly<Record<string, string>>
  ) => Effect.Effect<Response, ApiError | Rejection, R>
}

/** What the handlers of a list of routes need. */
export type Needs<Routes extends ReadonlyArray<Route<unknown>>> = Routes[number] extends Route<infer R> ? R : never

/** A route that is there only where `exists`; elsewhere it answers 404 without a look at what was sent. */
export const onlyWhere = <R, R2>(
  exists: Effect.Effect<boolean, never, R2>,
  { endpoint, respond }: Route<R>
): Route<R | R2> => ({
  endpoint,
  respond: (request, params) =>
    Effect.flatMap(exists, (found) => (found ? respond(request, params) : Effect.succeed(empty(404))))
})

const badQuery = (fault: string) => new Rejection({ status: 400, text: `Failed to deserialize query string: ${fault}` })

export const route = <Path extends string, Q, B, R>(
  endpoint: Endpoint<Path, Q, B>,
  handle: (input: Input<Path, Q, B>) => Effect.Effect<Response, ApiError, R>
): Route<R> => ({
  endpoint,
  respond: (request, found) => {
    // The router matched `endpoint.path`, so `found` has exactly its names; without a query or a body Q and B are undefined.
    const params = found as Input<Path, Q, B>["params"]
    let query = undefined as Q
    if (endpoint.query !== undefined) {
      const decoded = endpoint.query.decode(request.query)
      if (Result.isFailure(decoded)) return badQuery(decoded.failure)
      query = decoded.success
    }
    return endpoint.body === undefined
      ? handle({ query, body: undefined as B, params, request })
      : Effect.flatMap(decodeBody(endpoint.body, endpoint.limit, request), (body) =>
          handle({ query, body, params, request })
        )
  }
})
