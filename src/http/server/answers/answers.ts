/**
 * What handlers answer with where a schema alone does not say it: bodies that are made in slices or as they come, the
 * recorded texts, refusals.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { textSteps } from "../../../domain/json/JsonText.ts"
import { ComputeState, InvalidStatus } from "../../../layers/compute/ComputeState.ts"
import { inSlices } from "../../../layers/compute/clock/Slices.ts"
import { type Refusal, WrongStatus } from "../../api/shapes/Refusal.ts"
import { Limit, Wording } from "../../api/traits.ts"
import { decodeBody } from "../incoming/body.ts"
import type { Fault, Rejection } from "../incoming/Rejection.ts"
import { Request } from "../incoming/Request.ts"

export type Response = HttpServerResponse.HttpServerResponse

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

/** A request whose query, path or body are not what the endpoint takes, in the words that clients know. */
export const rejected = ({ annotations }: HttpApiEndpoint.Top, { faults, status, text }: Rejection): Response =>
  Context.get(annotations, Wording) === "json"
    ? json(status, { error: text.toLowerCase(), ...(faults !== undefined && { faults }) })
    : plain(status, "text/plain; charset=utf-8", text)

interface Refusing<R extends Refusal> {
  readonly make: (members: { readonly error: string }) => R
}

export const refuse = <R extends Refusal>(kind: Refusing<R>, error: string): Effect.Effect<never, R> =>
  Effect.fail(kind.make({ error }))

/** Every error that is not a refusal yet becomes one with its message. */
export const orRefuse =
  <R extends Refusal>(kind: Refusing<R>, prefix = "") =>
  <A, E extends { readonly message: string } | Refusal, Req>(
    effect: Effect.Effect<A, E, Req>
  ): Effect.Effect<A, Extract<E, Refusal> | R, Req> =>
    Effect.mapError(effect, (error) =>
      "message" in error ? kind.make({ error: prefix + error.message }) : (error as Extract<E, Refusal>)
    )

/** Refused unless the compute is running. */
export const requireRunning = ComputeState.current.pipe(
  Effect.flatMap((state) =>
    state.status === "running" ? Effect.void : Effect.fail(new InvalidStatus({ status: state.status }))
  ),
  orRefuse(WrongStatus)
)

/**
 * Gives the body to `use`, read within the endpoint's limit and decoded by steps. The library's decoder reads without limits
 * and has other words for what it refuses.
 */
export const withBody = <S extends Schema.Codec<unknown, unknown>, A, E, R>(
  schema: S,
  endpoint: HttpApiEndpoint.Top,
  use: (body: S["Type"], request: Request["Service"]) => Effect.Effect<A, E, R>
) =>
  Effect.flatMap(Request, (request) =>
    Effect.matchEffect(decodeBody(schema, Context.get(endpoint.annotations, Limit), request), {
      onFailure: (rejection) => Effect.succeed(rejected(endpoint, rejection)),
      onSuccess: (body) => use(body, request)
    })
  )

/** As `withBody`, for people who wrote the body by hand; `use` gets what of it nobody reads, too. */
export const withExplainedBody = <S extends Schema.Codec<unknown, unknown>, A, E, R>(
  schema: S,
  endpoint: HttpApiEndpoint.Top,
  use: (body: S["Type"], unread: ReadonlyArray<Fault>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const request = yield* Request
    const { explainBody } = yield* Effect.promise(() => import("../incoming/explain.ts"))
    return yield* Effect.matchEffect(explainBody(schema, Context.get(endpoint.annotations, Limit), request), {
      onFailure: (rejection) => Effect.succeed(rejected(endpoint, rejection)),
      onSuccess: ({ unread, value }) => use(value, unread)
    })
  })
