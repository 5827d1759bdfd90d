import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { isSegment } from "../../domain/status/LfcState.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { Offloading } from "../../programs/run/background/offload.ts"
import { Prewarming } from "../../programs/run/background/prewarm.ts"
import { External } from "../api/Api.ts"
import { BadRequest, UnderWay } from "../api/shapes/Refusal.ts"
import { refuse } from "../server/answers/answers.ts"

export const lfc = HttpApiBuilder.group(External, "lfc", (handlers) =>
  handlers.handleAll({
    lfc_prewarm_state: () => Effect.map(ComputeState.current, ({ prewarm }) => prewarm),
    lfc_prewarm: ({ query: { from_endpoint: from = null } }) =>
      Effect.gen(function* () {
        if (from !== null && !isSegment(from)) return yield* refuse(BadRequest, "from_endpoint is not one path segment")
        const prewarming = yield* Prewarming
        if (!(yield* prewarming.begin(from))) {
          return yield* refuse(UnderWay, "Multiple requests for prewarm are not allowed")
        }
      }),
    lfc_prewarm_cancel: () => Effect.flatMap(Prewarming, (prewarming) => prewarming.cancel),
    lfc_offload_state: () => Effect.map(ComputeState.current, ({ offload }) => offload),
    lfc_offload: () =>
      Effect.gen(function* () {
        const offloading = yield* Offloading
        if (!(yield* offloading.begin)) {
          return yield* refuse(UnderWay, "Multiple requests for prewarm offload are not allowed")
        }
      })
  })
)
