/**
 * A value that others wait for. Waiting costs a closure: a start waits for a dozen things at once, and streams would
 * make each of them a pipeline.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

export interface Watched<A> {
  readonly get: Effect.Effect<A>
  /** Changes the value in one step; whoever waits for what it became resumes. Succeeds with what `change` gave besides. */
  readonly modify: <B>(change: (value: A) => readonly [result: B, next: A]) => Effect.Effect<B>
  /** The first value from now on, the present one included, that satisfies the predicate. */
  readonly await: (predicate: (value: A) => boolean) => Effect.Effect<A>
  /** The present value and every later one that is another. */
  readonly changes: Stream.Stream<A>
}

export const make = <A>(initial: A): Watched<A> => {
  let present = initial
  const listeners = new Set<(value: A) => void>()

  const set = (next: A) => {
    if (next === present) return
    present = next
    // Who waits goes on after the step of whoever changed the value: told in the middle of it, a waiter would change the
    // value again before the first change was logged.
    queueMicrotask(() => {
      for (const listener of Array.from(listeners)) if (listeners.has(listener)) listener(next)
    })
  }
  const listen = (listener: (value: A) => void) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  return {
    get: Effect.sync(() => present),
    modify: (change) =>
      Effect.sync(() => {
        const [result, next] = change(present)
        set(next)
        return result
      }),
    await: (predicate) =>
      Effect.suspend(() =>
        predicate(present)
          ? Effect.succeed(present)
          : Effect.callback<A>((resume) => {
              const leave = listen((value) => {
                if (!predicate(value)) return
                leave()
                resume(Effect.succeed(value))
              })
              return Effect.sync(leave)
            })
      ),
    changes: Stream.callback<A>((queue) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          Queue.offerUnsafe(queue, present)
          return listen((value) => Queue.offerUnsafe(queue, value))
        }),
        (leave) => Effect.sync(leave)
      )
    )
  }
}
