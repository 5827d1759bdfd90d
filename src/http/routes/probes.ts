/**
 * Probes for orchestrators. They carry no token because kubelets send none, and they tell nothing about the tenant.
 */
import * as Effect from "effect/Effect"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { Readiness } from "../../layers/postgres/Readiness.ts"
import * as api from "../api/probes.ts"
import { json, plain, type Response, route } from "../server/Route.ts"

const text = (status: number, word: string): Response => plain(status, "text/plain; charset=utf-8", `${word}\n`)

/** A start that failed stays failed; a reconfiguration that failed leaves Postgres as it was. */
const startup = Effect.map(
  Effect.flatMap(ComputeState, ({ get }) => get),
  ({ postgresRuns, status }) => (status === "failed" && !postgresRuns ? text(503, "failed") : text(200, "ok"))
)

export const routes = [
  route(api.livez, () => Effect.succeed(text(200, "ok"))),
  route(api.startupz, () => startup),
  route(api.readyz, () =>
    Effect.flatMap(Readiness, ({ check }) => check).pipe(
      Effect.match({
        onFailure: ({ message }) => json(503, { ready: false, reason: message }),
        onSuccess: (ready) => json(200, ready)
      })
    )
  )
]
