import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * An effect whose interruption is not waited for: it ends on its own. For what a peer that hangs would hold up, such as a
 * goodbye or a request to cancel.
 */
export const disconnect = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(restore(effect)), (fiber) =>
      Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )
