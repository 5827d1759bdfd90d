/**
 * A compute, asked over its external API by plain `fetch`: in Node as in a browser.
 *
 * Every refusal is an error with a tag (`Unauthorized`, `WrongStatus`, `BadRequest`, ...), whose `error` is the compute's own
 * text. That there was no answer, or none that makes sense, is an `HttpClientError`.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { ComputeStatus, TerminateMode } from "../../../src/domain/status/ComputeStatus.ts"
import type { Event } from "../../../src/domain/status/Event.ts"
import { External } from "../../../src/http/api/Api.ts"
import type { Status } from "../../../src/http/api/shapes/StatusDetail.ts"
import type { Configuration } from "../../../src/http/api/shapes/Wire.ts"

export type { ComputeStatus, Event, Status, TerminateMode }

/** Body of `configure`: members of the spec that are left out have the original's defaults. */
export type ComputeConfiguration = typeof Configuration.Type

export interface Target {
  /** `http://localhost:3080` */
  readonly url: string
  /** JWT; none is needed where the network in front of the port decides. */
  readonly token?: string | Redacted.Redacted<string>
}

/** The compute has come to where it does not go on by itself, and that was not asked for. */
export class Unreached extends Data.TaggedError("Unreached")<{
  readonly wanted: ReadonlyArray<ComputeStatus>
  readonly status: ComputeStatus
  /** Its last error, a chain. */
  readonly error: string | null
}> {
  override get message() {
    return `the compute is ${this.status} and not ${this.wanted.join(" or ")}${this.error === null ? "" : `: ${this.error}`}`
  }
}

/** It has not come there in time. */
export class Late extends Data.TaggedError("Late")<{
  readonly wanted: ReadonlyArray<ComputeStatus>
  readonly limit: Duration.Duration
}> {
  override get message() {
    return `the compute is not ${this.wanted.join(" or ")} after ${Duration.format(this.limit)}`
  }
}

/** Out of these a compute comes by a request alone. */
const FINAL: ReadonlyArray<ComputeStatus> = ["failed", "terminated"]
const POLLED = "1 second"
const AGAIN = Schedule.spaced("500 millis")

/** Who answers is another program, or an older build. */
const isUnknown = (error: unknown): boolean =>
  HttpClientError.isHttpClientError(error) && error.response?.status === 404

/** The Fetch standard keeps some ports for other protocols, as 6000 and 10080; Node says "bad port" of them, browsers nothing. */
export class BlockedPort extends Error {
  override readonly name = "BlockedPort"
  override readonly message = "fetch asks nobody at this port: give the compute another one"
}

const isBlocked = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof Error && error.cause.message === "bad port"

const saidClearly = Layer.succeed(FetchHttpClient.Fetch, (input, init) =>
  fetch(input, init).catch((error: unknown) => {
    throw isBlocked(error) ? new BlockedPort() : error
  })
)

/** The server is not there yet, or no more, or has cut us off. */
const isAbsent = (error: unknown): boolean =>
  HttpClientError.isHttpClientError(error) &&
  error.reason._tag !== "StatusCodeError" &&
  !(error.reason._tag === "TransportError" && error.reason.cause instanceof BlockedPort) &&
  !isUnknown(error)

/** All endpoints are there by their names (`api.plan()`, `api.lfc_prewarm(...)`); beside them what takes more than one request. */
export const make = ({ token, url }: Target) =>
  Effect.gen(function* () {
    const api = yield* HttpApiClient.make(External, {
      baseUrl: url.replace(/\/+$/, ""),
      transformClient: (client) =>
        token === undefined ? client : HttpClient.mapRequest(client, HttpClientRequest.bearerToken(token))
    })

    /** From the present state to `terminated`, over one connection. */
    const events = Stream.unwrap(api.events())

    const polled = Stream.fromEffectSchedule(api.status(), Schedule.spaced(POLLED))
    const statuses = events.pipe(
      Stream.filter((event) => event.kind === "state"),
      Stream.catchIf(isUnknown, () => polled)
    )

    /** Waits until the compute is in one of these; another one that is final, or too late, is an error. */
    const awaitStatus = (
      wanted: ComputeStatus | ReadonlyArray<ComputeStatus>,
      { limit = "5 minutes" }: { readonly limit?: Duration.Input } = {}
    ) => {
      const all: ReadonlyArray<ComputeStatus> = typeof wanted === "string" ? [wanted] : wanted
      return statuses.pipe(
        Stream.filter(({ status }) => all.includes(status) || FINAL.includes(status)),
        Stream.runHead,
        Effect.retry({ while: isAbsent, schedule: AGAIN }),
        // A connection that ends before is no answer.
        Effect.repeat({ until: Option.isSome, schedule: AGAIN }),
        Effect.flatMap(Option.match({ onNone: () => Effect.never, onSome: Effect.succeed })),
        Effect.filterOrFail(
          ({ status }) => all.includes(status),
          ({ error, status }) => new Unreached({ wanted: all, status, error })
        ),
        Effect.andThen(api.status()),
        Effect.timeoutOrElse({
          duration: limit,
          orElse: () => Effect.fail(new Late({ wanted: all, limit: Duration.fromInputUnsafe(limit) }))
        })
      )
    }

    return {
      api,
      events,
      awaitStatus,
      status: api.status(),
      /** Answers when the compute runs with the spec, or has failed to. */
      configure: (payload: ComputeConfiguration) => api.configure({ payload }),
      /** Answers with the LSN at which the safekeepers are in sync. `ifIdle`: only when nobody has used it for so many seconds. */
      terminate: ({ ifIdle, mode }: { readonly mode?: TerminateMode; readonly ifIdle?: number } = {}) =>
        api.terminate({
          query: { ...(mode !== undefined && { mode }), ...(ifIdle !== undefined && { if_idle: ifIdle }) }
        })
    }
  }).pipe(Effect.provide(FetchHttpClient.layer.pipe(Layer.provide(saidClearly))))

export type Compute = Effect.Success<ReturnType<typeof make>>
