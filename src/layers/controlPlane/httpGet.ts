/**
 * One GET. A plain client does without a proxy: it is what our own servers have loaded anyway.
 */
import type { ClientRequest, IncomingMessage } from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { readBody } from "../http/readBody.ts"

export interface Answer {
  readonly code: number
  readonly body: Uint8Array
  /** The header's text. */
  readonly retryAfter: string | null
}

const REDIRECTS = 10
const REDIRECTING: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
/** Bytes: as much as a specification may have that comes by `/configure`. */
const LONGEST_BODY = 64 * 1024 * 1024

/** The innermost reason: what wraps it says only that there was one. */
const reasonOf = (error: unknown): string =>
  error instanceof AggregateError
    ? reasonOf(error.errors[0])
    : error instanceof Error
      ? error.cause === undefined
        ? error.message
        : reasonOf(error.cause)
      : "no answer"

interface Settings {
  readonly http: string | undefined
  readonly https: string | undefined
}

/** The proxies that the environment names, in either case. */
const proxies = (env: NodeJS.ProcessEnv): Settings | null => {
  const given = (name: string) => env[name.toLowerCase()] || env[name] || undefined
  const any = given("ALL_PROXY")
  const settings = { http: given("HTTP_PROXY") ?? any, https: given("HTTPS_PROXY") ?? any }
  return settings.http === undefined && settings.https === undefined ? null : settings
}

const headersOf = (token: string) => (token === "" ? {} : { headers: { authorization: `Bearer ${token}` } })

/** An answer whose body has not been read; `close` lets go of its connection. */
interface Opened {
  readonly code: number
  readonly location: string | undefined
  readonly retryAfter: string | undefined
  readonly body: AsyncIterable<Uint8Array>
  readonly close: () => void
}

type Open = (url: URL, token: string) => Effect.Effect<Opened, string>

const direct: Open = (url, token) =>
  Effect.gen(function* () {
    const { request } =
      url.protocol === "https:"
        ? yield* Effect.promise(() => import("node:https"))
        : yield* Effect.promise(() => import("node:http"))
    const answer = yield* Effect.callback<IncomingMessage, string>((resume) => {
      let sent: ClientRequest
      try {
        sent = request(url, { agent: false, ...headersOf(token) })
      } catch (error) {
        return resume(Effect.fail(reasonOf(error)))
      }
      sent.on("response", (answer) => resume(Effect.succeed(answer)))
      sent.on("error", (error) => resume(Effect.fail(reasonOf(error))))
      // All that comes of an answer that changes the protocol.
      sent.on("close", () => resume(Effect.fail("connection closed without an answer")))
      sent.end()
      return Effect.sync(() => sent.destroy())
    })
    return {
      code: answer.statusCode ?? 0,
      location: answer.headers.location,
      retryAfter: answer.headers["retry-after"],
      body: answer,
      close: () => answer.destroy()
    }
  })

const through = ({ http, https }: Settings): Effect.Effect<Open, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { EnvHttpProxyAgent, request } = yield* Effect.promise(() => import("undici"))
    const dispatcher = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new EnvHttpProxyAgent({
            ...(http !== undefined && { httpProxy: http }),
            ...(https !== undefined && { httpsProxy: https }),
            // Many proxies tunnel to TLS ports only.
            proxyTunnel: false
          })
      ),
      (opened) => Effect.promise(() => opened.destroy().catch(() => undefined))
    )
    return (url, token) =>
      Effect.tryPromise({
        try: (signal) => request(url, { dispatcher, ...headersOf(token), signal }),
        catch: reasonOf
      }).pipe(
        Effect.map(({ statusCode, headers, body }) => ({
          code: statusCode,
          location: [headers.location].flat()[0],
          retryAfter: [headers["retry-after"]].flat()[0],
          body,
          // What breaks while it is thrown away is nobody's business.
          close: () => body.on("error", () => {}).destroy()
        }))
      )
  })

/** Opening is what a server that says nothing draws out: it has to be interruptible too. */
const get = (open: Open, url: URL, token: string, redirects = REDIRECTS): Effect.Effect<Answer, string> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(open(url, token)), (answer) =>
      Effect.ensuring(restore(follow(open, url, token, redirects, answer)), Effect.sync(answer.close))
    )
  )

const follow = (
  open: Open,
  url: URL,
  token: string,
  redirects: number,
  { body, close, code, location, retryAfter }: Opened
): Effect.Effect<Answer, string> =>
  Effect.suspend(() => {
    if (!REDIRECTING.has(code) || location === undefined || !URL.canParse(location, url)) {
      return Effect.tryPromise({ try: () => readBody(body, LONGEST_BODY), catch: reasonOf }).pipe(
        Effect.map((bytes) => ({ code, body: bytes, retryAfter: retryAfter ?? null }))
      )
    }
    close()
    const next = new URL(location, url)
    if (redirects === 0) return Effect.fail(`more than ${REDIRECTS} redirects`)
    // The token is for the scheme, host and port that it was given for, and does not come back on a later one.
    return get(open, next, next.origin === url.origin ? token : "", redirects - 1)
  })

/** Follows redirects, and goes through the proxy of the environment if there is one. Fails with the reason. */
export const httpGet = (url: string, token: string): Effect.Effect<Answer, string> =>
  Effect.suspend(() => {
    if (!URL.canParse(url)) return Effect.fail(`not a URL: ${url}`)
    const settings = proxies(process.env)
    return settings === null
      ? get(direct, new URL(url), token)
      : Effect.scoped(Effect.flatMap(through(settings), (open) => get(open, new URL(url), token)))
  })
