/**
 * The configuration from the control plane.
 *
 * Source: `compute_tools/src/spec.rs` (`get_config_from_control_plane`).
 */
import * as http from "node:http"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Random from "effect/Random"
import type { ComputeConfig } from "../../domain/ComputeConfig.ts"
import { ATTEMPTS, configUrl, interpret, pauseAfter, type Refusal } from "../../domain/ControlPlaneAnswer.ts"
import { cplaneRequests } from "../../domain/MetricFamilies.ts"
import type { Metrics } from "../Metrics.ts"
import { NoConfig } from "./NoConfig.ts"

const LIMIT = "30 seconds"
/** For all attempts together: a control plane that only hangs is given up in time for a restart to help. */
const WHOLE_LIMIT = "60 seconds"
const REDIRECTS = 10
/** Read at each request: the token may be renewed while the process runs. */
const TOKEN_VARIABLE = "NEON_CONTROL_PLANE_TOKEN"

interface Answer {
  readonly code: number
  readonly status: string
  readonly body: string
  readonly retryAfter: string | null
}

/** The innermost reason: what wraps it says only that there was one. */
const reasonOf = (error: unknown): string =>
  error instanceof Error ? (error.cause === undefined ? error.message : reasonOf(error.cause)) : "no answer"

/** One request, through the proxy of the environment if there is one. */
const get = (url: string): Effect.Effect<Answer, string> =>
  Effect.gen(function* () {
    const { EnvHttpProxyAgent, interceptors, request } = yield* Effect.promise(() => import("undici"))
    const { http_proxy, HTTP_PROXY, https_proxy, HTTPS_PROXY, all_proxy, ALL_PROXY } = process.env
    const any = all_proxy ?? ALL_PROXY
    const httpProxy = http_proxy ?? HTTP_PROXY ?? any
    const httpsProxy = https_proxy ?? HTTPS_PROXY ?? any
    const agent = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new EnvHttpProxyAgent({
            ...(httpProxy !== undefined && { httpProxy }),
            ...(httpsProxy !== undefined && { httpsProxy })
          })
      ),
      (opened) => Effect.promise(() => opened.destroy().catch(() => undefined))
    )
    return yield* Effect.tryPromise({
      try: async (signal) => {
        const token = process.env[TOKEN_VARIABLE] ?? ""
        const { statusCode, headers, body } = await request(url, {
          dispatcher: agent.compose(interceptors.redirect({ maxRedirections: REDIRECTS })),
          ...(token !== "" && { headers: { authorization: `Bearer ${token}` } }),
          signal
        })
        const reason = http.STATUS_CODES[statusCode] ?? "<unknown status code>"
        const retryAfter = [headers["retry-after"]].flat()[0] ?? null
        return { code: statusCode, status: `${statusCode} ${reason}`, body: await body.text(), retryAfter }
      },
      catch: reasonOf
    })
  }).pipe(Effect.scoped, Effect.timeoutFail({ duration: LIMIT, onTimeout: () => "operation timed out" }))

export const fetchConfig = (
  base: string,
  computeId: string,
  metrics: Metrics["Type"]
): Effect.Effect<ComputeConfig, NoConfig> => {
  const count = (status: string) => metrics.increment(cplaneRequests, { rpc: "GetConfig", http_status: status })
  const exhausted = new NoConfig({
    message: "Exhausted all attempts to retrieve the config from the control plane"
  })
  const attempt: Effect.Effect<ComputeConfig, Refusal & { readonly retryAfter: string | null }> = get(
    configUrl(base, computeId)
  ).pipe(
    Effect.tapBoth({ onFailure: () => count("unknown"), onSuccess: ({ status }) => count(status) }),
    Effect.mapError((reason) => ({
      message: `could not perform request to control plane: ${reason}`,
      again: true,
      retryAfter: null
    })),
    Effect.flatMap(({ code, status, body, retryAfter }) =>
      Either.mapLeft(interpret(code, status, body), (refusal) => ({ ...refusal, retryAfter }))
    )
  )
  return Effect.gen(function* () {
    for (let number = 1; number <= ATTEMPTS; number++) {
      const result = yield* Effect.either(attempt)
      if (Either.isRight(result)) return result.right
      if (!result.left.again) return yield* new NoConfig({ message: result.left.message })
      yield* Effect.logError(`attempt ${number} to get config failed with: ${result.left.message}`)
      if (number < ATTEMPTS) yield* Effect.sleep(pauseAfter(number, result.left.retryAfter, yield* Random.next))
    }
    return yield* exhausted
  }).pipe(
    Effect.timeoutFail({ duration: WHOLE_LIMIT, onTimeout: () => exhausted }),
    Effect.tapError(({ message }) => Effect.logError(`cannot get response from control plane: ${message}`)),
    Effect.mapError(
      (cause) =>
        new NoConfig({
          message: "neither spec nor confirmation that compute is in the Empty state was received",
          cause
        })
    ),
    Effect.withSpan("get config from control plane")
  )
}
