import * as Effect from "effect/Effect"
import * as lakebase from "../../programs/start/lakebase.ts"
import { livenessProbe } from "../api/lakebase.ts"
import { json, orStatus, route } from "../server/Route.ts"

export const routes = [
  route(livenessProbe, () => lakebase.livenessProbe.pipe(Effect.as(json(200, "ok")), orStatus(500)))
]
