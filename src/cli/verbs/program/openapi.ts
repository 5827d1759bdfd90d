/**
 * `compute_ctl openapi`: the description of the API, printed from the endpoints themselves.
 */
import * as Effect from "effect/Effect"
import { print } from "../../output.ts"

/** Of the description, not of the program: routes are added, never changed. */
const VERSION = "1.0.0"

export const openapi = Effect.gen(function* () {
  const { document } = yield* Effect.promise(() => import("../../../http/api/openapi.ts"))
  yield* print(JSON.stringify(document(VERSION), null, 2))
  return 0
})
