import * as Effect from "effect/Effect"
import { parseSteps } from "../../domain/spec/ParsedSpec.ts"
import { ComputeState, InvalidStatus } from "../../layers/compute/ComputeState.ts"
import { resultInSlices } from "../../layers/compute/clock/Slices.ts"
import { Promotion } from "../../programs/run/background/promote.ts"
import * as api from "../api/operations.ts"
import { json, orStatus, route } from "../server/Route.ts"

export const routes = [
  route(api.promote, ({ body }) =>
    Effect.gen(function* () {
      const spec = yield* orStatus(400)(resultInSlices(parseSteps(body.spec)))
      const state = yield* ComputeState
      const promotion = yield* Promotion
      const current = yield* state.get
      if (current.spec === null) return yield* orStatus(412)(Effect.fail(new InvalidStatus({ status: current.status })))
      const result = yield* promotion.promote({ spec, walFlushLsn: body.wal_flush_lsn })
      return json(result.status === "completed" ? 200 : 500, result)
    })
  )
]
