import { access } from "node:fs/promises"
import * as Effect from "effect/Effect"

/** Whether there is anything at the path that we can see. */
export const isThere = (path: string): Effect.Effect<boolean> =>
  Effect.promise(() =>
    access(path).then(
      () => true,
      () => false
    )
  )
