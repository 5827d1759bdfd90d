/**
 * One piece of work at a time for each name; the others of that name wait for their turn.
 */

import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

interface Turn {
  readonly semaphore: Semaphore.Semaphore
  users: number
}

export const makeTurns = () => {
  const turns = new Map<string, Turn>()
  const enter = (name: string) =>
    Effect.sync(() => {
      const turn = turns.get(name) ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
      turns.set(name, turn)
      turn.users += 1
      return turn
    })
  const leave = (name: string, turn: Turn) =>
    Effect.sync(() => {
      turn.users -= 1
      if (turn.users === 0) turns.delete(name)
    })
  return (name: string) =>
    <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.acquireUseRelease(
        enter(name),
        ({ semaphore }) => semaphore.withPermits(1)(work),
        (turn) => leave(name, turn)
      )
}
