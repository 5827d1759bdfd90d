/**
 * The virtual machine's swap space.
 *
 * Source: `compute_tools/src/swap.rs`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Children } from "../child/Children.ts"
import { isThere } from "../isThere.ts"
import { Places } from "../Places.ts"
import { runAsRoot } from "./sudo.ts"

export class SwapFailed extends Data.TaggedError("SwapFailed")<{ readonly message: string }> {}

export class Swap extends Context.Service<
  Swap,
  { readonly resize: (bytes: bigint) => Effect.Effect<void, SwapFailed> }
>()("compute/Swap") {
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => make)
  )
}

const LIMIT = "60 seconds"

const make = Effect.gen(function* () {
  const children = yield* Children
  const { sudo, swapTool } = yield* Places
  return Swap.of({
    resize: (bytes) =>
      // The tool removes itself when it has succeeded: a compute that starts again must not switch swap off under load.
      runAsRoot(children, sudo, [swapTool, "--once", String(bytes)], LIMIT).pipe(
        Effect.catch(({ message, ran }) =>
          Effect.gen(function* () {
            if (!ran || (yield* isThere(swapTool))) return yield* new SwapFailed({ message })
            yield* Effect.logWarning(`${message}, and is gone: swap was resized before`)
          })
        ),
        Effect.withSpan("resize_swap")
      )
  })
})
