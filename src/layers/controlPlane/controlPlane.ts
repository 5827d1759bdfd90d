/**
 * The configuration from the control plane.
 *
 * Source: `compute_tools/src/spec.rs` (`get_config_from_control_plane`).
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import { hostOf } from "../../domain/api/BaseUrl.ts"
import { ATTEMPTS, configUrl, interpret, pauseAfter, type Refusal } from "../../domain/api/ControlPlaneAnswer.ts"
import { cplaneRequests } from "../../domain/observe/MetricFamilies.ts"
import type { ComputeConfig } from "../../domain/spec/ComputeConfig.ts"
import { inSlices } from "../compute/clock/Slices.ts"
import { retrying } from "../compute/retrying.ts"
import { send } from "../http/outgoing/send.ts"
import { readStream } from "../http/readBody.ts"
import type { Metrics } from "../observe/Metrics.ts"
import { NoConfig } from "./NoConfig.ts"

/** Milliseconds. */
const LIMIT = 30_000
/** For all attempts together: a control plane that only hangs is given up in time for a restart to help. */
const WHOLE_LIMIT = "45 seconds"
type Refused = Refusal & { readonly retryAfter: string | null }

const afterRefusals = Schedule.setInputType<Refused>()(Schedule.forever)

/** Bytes: as much as a specification may have that comes by `/configure`. */
const LONGEST = 64 * 1024 * 1024

const get = Effect.fnUntraced(
  function* (url: string, token: Redacted.Redacted<string>) {
    const given = Redacted.value(token) !== ""
    const answer = yield* send({ method: "GET", url, ...(given && { token }), connect: LIMIT, silence: LIMIT })
    const body = yield* readStream(answer.body, LONGEST)
    return { code: answer.status, status: answer.statusText, body, retryAfter: answer.headers["retry-after"] ?? null }
  },
  Effect.scoped,
  Effect.mapError(({ message }) => message),
  Effect.timeoutOrElse({ duration: LIMIT, orElse: () => Effect.fail("operation timed out") })
)

export const fetchConfig = (
  base: string,
  computeId: string,
  token: Redacted.Redacted<string>,
  metrics: Metrics["Service"]
): Effect.Effect<ComputeConfig, NoConfig> => {
  const count = (status: string) => metrics.increment(cplaneRequests, { rpc: "GetConfig", http_status: status })
  const exhausted = new NoConfig({
    message: "Exhausted all attempts to retrieve the config from the control plane"
  })
  const told = (number: number, { message }: Refusal) =>
    Effect.logError(`attempt ${number} to get config failed with: ${message}`)
  const attempt: Effect.Effect<ComputeConfig, Refused> = get(configUrl(base, computeId), token).pipe(
    Effect.tapError(() => count("unknown")),
    Effect.tap(({ status }) => count(status)),
    Effect.mapError((reason) => ({
      message: `could not perform request to control plane: ${reason}`,
      again: true,
      retryAfter: null
    })),
    Effect.flatMap(({ code, status, body, retryAfter }) =>
      Effect.flatMap(inSlices(interpret(code, status, body)), (answer) =>
        Effect.fromResult(Result.mapError(answer, (refusal) => ({ ...refusal, retryAfter })))
      )
    )
  )
  return attempt.pipe(
    retrying({
      whom: `control plane ${hostOf(base)}`,
      attempts: ATTEMPTS,
      schedule: Schedule.modifyDelay(afterRefusals, ({ attempt, input }) =>
        Effect.map(Random.next, (chance) => pauseAfter(attempt, input.retryAfter, chance))
      ),
      passing: ({ again }) => again,
      failed: ({ error, failures }) => told(failures, error)
    }),
    Effect.catch((error) =>
      error.again
        ? Effect.andThen(told(ATTEMPTS, error), Effect.fail(exhausted))
        : Effect.fail(new NoConfig({ message: error.message }))
    ),
    Effect.timeoutOrElse({ duration: WHOLE_LIMIT, orElse: () => Effect.fail(exhausted) }),
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
