/**
 * Requests to others: the control plane, the endpoint storage, the store of extensions. What they answer may have no end,
 * stop in the middle or lead elsewhere.
 */
import { STATUS_CODES } from "node:http"
import { HttpAgent, makeNodeHttp } from "@effect/platform-node/NodeHttpClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Body from "effect/http/HttpBody"
import * as Client from "effect/http/HttpClient"
import * as Request from "effect/http/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { proxyOf } from "../../../domain/api/Proxies.ts"
import { Variables } from "../../machine/process/Variables.ts"
import { agents } from "./agents.ts"
import { HttpFailed, reasonOf } from "./HttpFailed.ts"

export { HttpFailed } from "./HttpFailed.ts"

export interface Outgoing {
  readonly method: "GET" | "PUT"
  readonly url: string
  /** Goes to this scheme, host and port alone. */
  readonly token?: Redacted.Redacted<string>
  /** Sent one by one. */
  readonly body?: ReadonlyArray<Uint8Array>
  /** Milliseconds until there is a connection. */
  readonly connect: number
  /** Milliseconds in which nothing is sent nor received. */
  readonly silence: number
}

export interface Answer {
  readonly status: number
  /** Code and reason, as in `404 Not Found`. */
  readonly statusText: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Fails when the connection breaks, or nothing comes for the time of `silence` while somebody waits for it. */
  readonly body: Stream.Stream<Uint8Array, HttpFailed>
}

const REDIRECTS = 10
const REDIRECTING: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** `404 Not Found`, as the original writes it. */
export const statusText = (status: number): string => `${status} ${STATUS_CODES[status] ?? "<unknown status code>"}`

const failed = (error: unknown) => new HttpFailed({ message: reasonOf(error) })

const silent = (millis: number) => new HttpFailed({ message: `nothing came for ${millis / 1000} s` })

/** Fails when `heard` is not moved on for so long. */
const unlessSilent = <A, R>(work: Effect.Effect<A, HttpFailed, R>, heard: Ref.Ref<number>, millis: number) => {
  const watch: Effect.Effect<never, HttpFailed> = Effect.gen(function* () {
    for (;;) {
      const left = (yield* Ref.get(heard)) + millis - (yield* Clock.currentTimeMillis)
      if (left <= 0) return yield* silent(millis)
      yield* Effect.sleep(left)
    }
  })
  return Effect.raceFirst(work, watch)
}

const bodyOf = (chunks: ReadonlyArray<Uint8Array>, sent: Effect.Effect<void>) =>
  Body.stream(
    Stream.tap(Stream.fromIterable(chunks), () => sent),
    "application/octet-stream",
    chunks.reduce((length, chunk) => length + chunk.byteLength, 0)
  )

/** One request, without redirects. Succeeds with the head of the answer; the connection closes with the scope. */
const once = ({
  body,
  connect,
  method,
  silence,
  token,
  url
}: Outgoing): Effect.Effect<Answer, HttpFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { proxies } = yield* Variables
    const agent = yield* agents(proxyOf(proxies, new URL(url)), connect)
    const client = yield* Effect.provideService(makeNodeHttp, HttpAgent, agent)
    const heard = yield* Ref.make(yield* Clock.currentTimeMillis)
    const sent = Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.set(heard, now))
    const request = Request.make(method)(url, {
      // What is packed arrives as it is.
      headers: { "accept-encoding": "identity", ...(token && { authorization: `Bearer ${Redacted.value(token)}` }) },
      ...(body !== undefined && { body: bodyOf(body, sent) })
    })
    const answer = yield* unlessSilent(
      Effect.mapError(Client.withScope(client).execute(request), failed),
      heard,
      silence
    )
    // All that comes of an answer that changes the protocol.
    if (answer.status === 101) return yield* new HttpFailed({ message: "connection closed without an answer" })
    return {
      status: answer.status,
      statusText: statusText(answer.status),
      headers: answer.headers,
      body: answer.stream.pipe(
        Stream.mapError(failed),
        Stream.timeoutOrElse({ duration: Duration.millis(silence), orElse: () => Stream.fail(silent(silence)) })
      )
    }
  }).pipe(Effect.provideService(Client.TracerPropagationEnabled, false))

/** Where an answer to a GET leads, if anywhere. */
const elsewhere = ({ method, url }: Outgoing, { headers, status }: Answer): URL | null => {
  const { location } = headers
  const leads = method === "GET" && REDIRECTING.has(status) && location !== undefined && URL.canParse(location, url)
  return leads ? new URL(location, url) : null
}

const follow = (outgoing: Outgoing, redirects: number): Effect.Effect<Answer, HttpFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { protocol } = new URL(outgoing.url)
    if (protocol !== "http:" && protocol !== "https:") {
      return yield* new HttpFailed({ message: `Protocol "${protocol}" not supported` })
    }
    const scope = yield* Effect.flatMap(Effect.scope, Scope.fork)
    const answer = yield* Scope.provide(once(outgoing), scope)
    const next = elsewhere(outgoing, answer)
    if (next === null) return answer
    yield* Scope.close(scope, Exit.void)
    if (redirects === 0) return yield* new HttpFailed({ message: `more than ${REDIRECTS} redirects` })
    const { token, ...rest } = outgoing
    // The token is for the scheme, host and port that it was given for, and does not come back on a later one.
    const kept = token !== undefined && next.origin === new URL(outgoing.url).origin ? { token } : {}
    return yield* follow({ ...rest, ...kept, url: next.href }, redirects - 1)
  })

/** Follows redirects of a GET, and goes through the proxy that the environment names. */
export const send = (outgoing: Outgoing): Effect.Effect<Answer, HttpFailed, Scope.Scope> =>
  URL.canParse(outgoing.url)
    ? follow(outgoing, REDIRECTS)
    : Effect.fail(new HttpFailed({ message: `not a URL: ${outgoing.url}` }))
