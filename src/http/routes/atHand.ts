/**
 * What is asked all the time by machines is answered past the library's router and its schemas: the same texts, for a third of
 * the work, and for less code that is cold when nobody has asked for a second.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Authorization } from "../../layers/compute/authorization/Authorization.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { Metrics } from "../../layers/observe/Metrics.ts"
import { Readiness } from "../../layers/postgres/Readiness.ts"
import { EXPOSITION } from "../api/probes.ts"
import { json, plain } from "../server/answers/answers.ts"
import { statusBody } from "../server/answers/statusBody.ts"
import type { AnswerAtHand, AtHand } from "../server/dispatch.ts"
import { startWord } from "./probes.ts"

const word = (status: number, text: string) => plain(status, "text/plain; charset=utf-8", text)

/** By path, of the external server. */
export const atHand = Effect.gen(function* () {
  const authorization = yield* Authorization
  const state = yield* ComputeState
  const metrics = yield* Metrics
  const readiness = yield* Readiness

  const alive = Effect.succeed(word(200, "ok\n"))
  const started = Effect.map(state.get, (now) => {
    const text = startWord(now)
    return word(text === "ok\n" ? 200 : 503, text)
  })
  const ready = Effect.match(readiness.check, {
    onSuccess: (value) => json(200, value),
    onFailure: ({ message }) => json(503, { ready: false, reason: message })
  })
  const pooled = Effect.flatMap(state.get, ({ status }) =>
    status === "empty" ? Effect.succeed(json(200, { ready: true, standby: null })) : ready
  )
  const status = Effect.map(state.get, (now) => json(200, statusBody(now)))
  const scraped = Effect.map(metrics.render, (text) => plain(200, EXPOSITION, text))

  const all = new Map<string, AnswerAtHand>([
    ["/livez", () => alive],
    ["/startupz", () => started],
    ["/readyz", () => ready],
    ["/poolz", () => pooled],
    ["/metrics", () => scraped],
    // A token that is not known yet, or is refused, goes the long way.
    [
      "/status",
      ({ message }) => {
        const checked = authorization.check(message.headers.authorization)
        return Exit.isExit(checked) && Exit.isSuccess(checked) ? status : null
      }
    ]
  ])
  const known: AtHand = all
  return known
})
