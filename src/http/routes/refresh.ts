import * as Effect from "effect/Effect"
import { requestRefresh } from "../../programs/refresh.ts"
import { refreshConfiguration } from "../api/operations.ts"
import { empty, orStatus, route } from "../Route.ts"

export const routes = [route(refreshConfiguration, () => requestRefresh.pipe(Effect.as(empty(200)), orStatus(500)))]
