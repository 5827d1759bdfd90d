/**
 * `compute_ctl openapi`: the description of the API, printed from the endpoints themselves.
 */
import * as Effect from "effect/Effect"
import { print } from "../output.ts"

/** Of the description, not of the program: routes are added, never changed. */
const VERSION = "1.0.0"

export const openapi = Effect.gen(function* () {
  const { document } = yield* Effect.promise(() => import("../../http/api/openapi.ts"))
  const { routes } = yield* Effect.promise(() => import("../../http/routes/all.ts"))
  const description = document(
    routes.map(({ endpoint }) => endpoint),
    VERSION
  )
  yield* print(JSON.stringify(description, null, 2))
  return 0
})
