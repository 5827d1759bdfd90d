/**
 * Every route of both servers.
 */
import type { Needs } from "../server/Route.ts"
import * as activity from "./activity.ts"
import * as autoscaling from "./autoscaling.ts"
import * as catalog from "./catalog.ts"
import * as extensions from "./extensions.ts"
import * as failpoints from "./failpoints.ts"
import * as lakebase from "./lakebase.ts"
import * as lfc from "./lfc.ts"
import * as lifecycle from "./lifecycle.ts"
import * as probes from "./probes.ts"
import * as promote from "./promote.ts"
import * as refresh from "./refresh.ts"

export const routes = [
  ...lifecycle.routes,
  ...probes.routes,
  ...activity.routes,
  ...autoscaling.routes,
  ...catalog.routes,
  ...extensions.routes,
  ...failpoints.routes,
  ...lakebase.routes,
  ...lfc.routes,
  ...promote.routes,
  ...refresh.routes
]

/** What the handlers need from the layers. */
export type Requirements = Needs<typeof routes>
