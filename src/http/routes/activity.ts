/**
 * `GET /activity`.
 */
import * as Effect from "effect/Effect"
import { Monitor } from "../../layers/observe/Monitor.ts"
import { activity } from "../api/activity.ts"
import { json, route } from "../server/Route.ts"

export const routes = [
  route(activity, () =>
    Effect.map(
      Effect.flatMap(Monitor, (monitor) => monitor.activity),
      (report) => json(200, report)
    )
  )
] as const
