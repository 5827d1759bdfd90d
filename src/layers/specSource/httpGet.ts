/**
 * One GET. A plain client does without a proxy: it is what our own servers have loaded anyway.
 */
import type { ClientRequest, IncomingMessage } from "node:http"
import * as Effect from "effect/Effect"

export interface Answer {
  readonly code: number
  readonly body: string
  /** The header's text. */
  readonly retryAfter: string | null
}

const REDIRECTS = 10
const REDIRECTING: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

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

const received = (answer: IncomingMessage): Promise<string> =>
  new Promise((resolve, reject) => {
    const chunks: Array<Buffer> = []
    answer.on("data", (chunk: Buffer) => chunks.push(chunk))
    answer.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")))
    answer.on("error", reject)
  })

const open = (url: URL, token: string): Effect.Effect<IncomingMessage, string> =>
  Effect.gen(function* () {
    const { request } =
      url.protocol === "https:"
        ? yield* Effect.promise(() => import("node:https"))
        : yield* Effect.promise(() => import("node:http"))
    return yield* Effect.async<IncomingMessage, string>((resume) => {
      let sent: ClientRequest
      try {
        sent = request(url, { agent: false, ...(token !== "" && { headers: { authorization: `Bearer ${token}` } }) })
      } catch (error) {
        return resume(Effect.fail(reasonOf(error)))
      }
      sent.on("response", (answer) => resume(Effect.succeed(answer)))
      sent.on("error", (error) => resume(Effect.fail(reasonOf(error))))
      sent.end()
      return Effect.sync(() => sent.destroy())
    })
  })

/** Opening is what a server that says nothing draws out: it has to be interruptible too. */
const direct = (url: URL, token: string, redirects = REDIRECTS): Effect.Effect<Answer, string> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(open(url, token)), (answer) =>
      Effect.ensuring(
        restore(read(url, token, redirects, answer)),
        Effect.sync(() => answer.destroy())
      )
    )
  )

const read = (url: URL, token: string, redirects: number, answer: IncomingMessage): Effect.Effect<Answer, string> =>
  Effect.suspend(() => {
    const code = answer.statusCode ?? 0
    const { location } = answer.headers
    if (!REDIRECTING.has(code) || location === undefined || !URL.canParse(location, url)) {
      return Effect.tryPromise({ try: () => received(answer), catch: reasonOf }).pipe(
        Effect.map((body) => ({ code, body, retryAfter: answer.headers["retry-after"] ?? null }))
      )
    }
    const next = new URL(location, url)
    if (redirects === 0) return Effect.fail(`more than ${REDIRECTS} redirects`)
    // The token is for the host that it was given for.
    return direct(next, next.host === url.host ? token : "", redirects - 1)
  })

const proxied = (url: URL, token: string, { http, https }: Settings): Effect.Effect<Answer, string> =>
  Effect.gen(function* () {
    const { EnvHttpProxyAgent, interceptors, request } = yield* Effect.promise(() => import("undici"))
    const agent = yield* Effect.acquireRelease(
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
    return yield* Effect.tryPromise({
      try: async (signal) => {
        const { statusCode, headers, body } = await request(url, {
          dispatcher: agent.compose(interceptors.redirect({ maxRedirections: REDIRECTS })),
          ...(token !== "" && { headers: { authorization: `Bearer ${token}` } }),
          signal
        })
        return { code: statusCode, body: await body.text(), retryAfter: [headers["retry-after"]].flat()[0] ?? null }
      },
      catch: reasonOf
    })
  }).pipe(Effect.scoped)

/** Follows redirects, and goes through the proxy of the environment if there is one. Fails with the reason. */
export const httpGet = (url: string, token: string): Effect.Effect<Answer, string> =>
  Effect.suspend(() => {
    if (!URL.canParse(url)) return Effect.fail(`not a URL: ${url}`)
    const settings = proxies(process.env)
    return settings === null ? direct(new URL(url), token) : proxied(new URL(url), token, settings)
  })
