/**
 * The virtual machine's swap space.
 *
 * Source: `compute_tools/src/swap.rs`.
 */
import * as Effect from "effect/Effect"
import { isThere } from "../isThere.ts"
import { Places } from "../Places.ts"
import { runAsRoot } from "./sudo.ts"

/** The tool removes itself when it has succeeded: a compute that starts again must not switch swap off under load. */
export const resizeSwap = Effect.fn("resize_swap")(function* (bytes: bigint) {
  const { swapTool } = yield* Places
  yield* runAsRoot(swapTool, "--once", String(bytes)).pipe(
    Effect.catch((error) =>
      Effect.gen(function* () {
        if (!error.ran || (yield* isThere(swapTool))) return yield* error
        yield* Effect.logWarning(`${error.message}, and is gone: swap was resized before`)
      })
    )
  )
})
