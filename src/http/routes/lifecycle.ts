/**
 * What the compute is, giving it a spec, ending it.
 */
import * as Effect from "effect/Effect"
import type { JwkSet } from "../../domain/spec/ComputeConfig.ts"
import { format } from "../../domain/spec/Lsn.ts"
import { Authorization } from "../../layers/compute/authorization/Authorization.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { Metrics } from "../../layers/observe/Metrics.ts"
import { configure } from "../../programs/run/configure.ts"
import { reasonsAgainstStopping } from "../../programs/run/idle.ts"
import { type Terminated, terminate } from "../../programs/stop/terminate.ts"
import * as api from "../api/lifecycle.ts"
import type { Request } from "../server/Request.ts"
import { empty, json, orStatus, plain, type Response, refuse, route } from "../server/Route.ts"
import { statusBody } from "../server/statusBody.ts"
import { statusDetail } from "../server/statusDetail.ts"

const EXPOSITION = "text/plain; version=0.0.4"

const terminated = (result: Terminated): Response =>
  result._tag === "Leaving"
    ? empty(200)
    : json(result.repeated ? 201 : 200, { lsn: result.lsn === null ? null : format(result.lsn) })

const state = Effect.flatMap(ComputeState, ({ get }) => get)

/** Answers 409 with what speaks against it when the compute has been used within the last `seconds`. */
const unlessUsed = (seconds: number) =>
  Effect.flatMap(reasonsAgainstStopping(seconds), ({ activity, reasons }) =>
    reasons.length === 0
      ? Effect.void
      : refuse(409, `the compute is in use: ${reasons.join(", ")}`, { reasons, activity: { ...activity } })
  )

/** Keys can so be renewed while a compute runs. */
const adoptKeys = ({ headers }: Request, jwks: JwkSet) =>
  Effect.flatMap(Authorization, ({ adopt }) => adopt(headers.authorization, jwks))

export const routes = [
  route(api.status, () => Effect.map(state, (now) => json(200, statusBody(now)))),
  route(api.statusDetail, () => Effect.map(statusDetail, (detail) => json(200, detail))),
  route(api.metrics, () =>
    Effect.map(
      Effect.flatMap(Metrics, ({ render }) => render),
      (text) => plain(200, EXPOSITION, text)
    )
  ),
  route(api.metricsJson, () => Effect.map(state, ({ metrics }) => json(200, metrics))),
  route(api.configure, ({ body, request }) =>
    configure(body.spec, adoptKeys(request, body.compute_ctl_config.jwks)).pipe(
      Effect.map((configured) => json(200, statusBody(configured))),
      Effect.catchTags({
        InvalidSpec: ({ message }) => refuse(400, message),
        InvalidStatus: ({ message }) => refuse(412, message)
      }),
      orStatus(500)
    )
  ),
  route(api.terminate, ({ query }) =>
    (query === null || query.if_idle === null ? Effect.void : unlessUsed(query.if_idle)).pipe(
      Effect.andThen(terminate(query?.mode ?? "fast")),
      Effect.map(terminated),
      orStatus(412)
    )
  )
]
