import * as Effect from "effect/Effect"
import { requestRefresh } from "../../programs/run/refresh.ts"
import { refreshConfiguration } from "../api/operations.ts"
import { empty, orStatus, route } from "../server/Route.ts"

export const routes = [route(refreshConfiguration, () => requestRefresh.pipe(Effect.as(empty(200)), orStatus(500)))]
