/**
 * The gauge that says in which status this compute is: derived at scrape time, so that it is never stale nor absent.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { kebab } from "../domain/ComputeStatus.ts"
import { computeCtlUp } from "../domain/MetricFamilies.ts"
import { ComputeState } from "./ComputeState.ts"
import { Metrics } from "./Metrics.ts"
import { Options } from "./Options.ts"

export const stateMetrics = Layer.scopedDiscard(
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const state = yield* ComputeState
    const { buildTag } = yield* Options
    yield* metrics.gauge(
      computeCtlUp,
      Effect.map(state.get, ({ status }) => [{ labels: { build_tag: buildTag, status: kebab(status) }, value: 1 }])
    )
  })
)
