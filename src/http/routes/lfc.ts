import * as Effect from "effect/Effect"
import { isSegment } from "../../domain/status/LfcState.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { Offloading } from "../../programs/run/background/offload.ts"
import { Prewarming } from "../../programs/run/background/prewarm.ts"
import * as api from "../api/operations.ts"
import { empty, json, refuse, route } from "../server/Route.ts"

const state = Effect.flatMap(ComputeState, (service) => service.get)

export const routes = [
  route(api.prewarmState, () => Effect.map(state, ({ prewarm }) => json(200, prewarm))),
  route(api.prewarm, ({ query }) =>
    Effect.gen(function* () {
      const from = query?.from_endpoint ?? null
      if (from !== null && !isSegment(from)) return yield* refuse(400, "from_endpoint is not one path segment")
      const prewarming = yield* Prewarming
      if (yield* prewarming.begin(from)) return empty(202)
      return yield* refuse(429, "Multiple requests for prewarm are not allowed")
    })
  ),
  route(api.prewarmCancel, () =>
    Effect.flatMap(Prewarming, (prewarming) => prewarming.cancel).pipe(Effect.as(empty(202)))
  ),
  route(api.offloadState, () => Effect.map(state, ({ offload }) => json(200, offload))),
  route(api.offload, () =>
    Effect.gen(function* () {
      const offloading = yield* Offloading
      if (yield* offloading.begin) return empty(202)
      return yield* refuse(429, "Multiple requests for prewarm offload are not allowed")
    })
  )
]
