import * as Effect from "effect/Effect"
import { Failpoints } from "../../layers/Failpoints.ts"
import { configureFailpoints } from "../api/operations.ts"
import { empty, orStatus, route } from "../Route.ts"

export const routes = [
  route(configureFailpoints, ({ body }) =>
    Effect.gen(function* () {
      const { enabled, set } = yield* Failpoints
      // Outside of tests there is no such route.
      if (!enabled) return empty(404)
      for (const { action, actions, name } of body) yield* orStatus(400)(set(name, actions ?? action ?? ""))
      return empty(200)
    })
  )
]
