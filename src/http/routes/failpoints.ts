import * as Effect from "effect/Effect"
import { Failpoints } from "../../layers/compute/Failpoints.ts"
import { configureFailpoints } from "../api/operations.ts"
import { empty, onlyWhere, orStatus, route } from "../server/Route.ts"

/** Outside of tests there is no such route. */
const enabled = Effect.map(Failpoints, (failpoints) => failpoints.enabled)

export const routes = [
  onlyWhere(
    enabled,
    route(configureFailpoints, ({ body }) =>
      Effect.gen(function* () {
        const { set } = yield* Failpoints
        for (const { action, actions, name } of body) yield* orStatus(400)(set(name, actions ?? action ?? ""))
        return empty(200)
      })
    )
  )
]
