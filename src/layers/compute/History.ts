/**
 * What has happened, the last of it remembered, and who listens to what happens now.
 */

import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Event, isRemembered, type Remembered, type Told } from "../../domain/status/Event.ts"
import { wallMillisUnsafe } from "./clock/WallClock.ts"

const REMEMBERED = 100
const LISTENERS = 32
/** Events that are kept for a listener. */
const BEHIND = 1024

interface Listener {
  readonly queue: Queue.Queue<Event, Cause.Done>
  readonly dropped: () => void
}

export class History extends Context.Service<
  History,
  {
    readonly tell: (told: Told) => Effect.Effect<void>
    /** For listeners alone: not made where there are none. */
    readonly tellAll: (told: () => ReadonlyArray<Told>) => Effect.Effect<void>
    /** The oldest first. */
    readonly recent: Effect.Effect<ReadonlyArray<Remembered>>
    /**
     * What happens from now on, until the compute is terminated or the scope closes; null when too many listen. Calls
     * `dropped` and forgets the listener when it is too far behind.
     */
    readonly listen: (dropped: () => void) => Effect.Effect<Stream.Stream<Event> | null, never, Scope.Scope>
  }
>()("compute/History") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

function* make() {
  const clock = yield* Clock.Clock
  const recent: Array<Remembered> = []
  const listeners = new Set<Listener>()

  const hand = (listener: Listener, event: Event) => {
    const isTaken = Queue.offerUnsafe(listener.queue, event)
    const isLast = event.kind === "state" && event.status === "terminated"
    if (isTaken && !isLast) return
    // What comes behind the last one is for nobody: a wait ends when the state has changed.
    listeners.delete(listener)
    if (isTaken) Queue.endUnsafe(listener.queue)
    else listener.dropped()
  }

  const add = (told: Told) => {
    const event: Event = { at: new Date(wallMillisUnsafe(clock)).toISOString(), ...told }
    if (isRemembered(event)) recent.push(event)
    if (recent.length > REMEMBERED) recent.shift()
    for (const listener of listeners) hand(listener, event)
  }

  return History.of({
    tell: (told) => Effect.sync(() => add(told)),
    tellAll: (told) =>
      Effect.sync(() => {
        if (listeners.size > 0) for (const one of told()) add(one)
      }),
    recent: Effect.sync(() => [...recent]),
    listen: (dropped) =>
      Effect.gen(function* () {
        if (listeners.size >= LISTENERS) return null
        const queue = yield* Queue.dropping<Event, Cause.Done>(BEHIND)
        const listener = { queue, dropped }
        yield* Effect.acquireRelease(
          Effect.sync(() => listeners.add(listener)),
          () => Effect.sync(() => listeners.delete(listener))
        )
        return Stream.fromQueue(queue)
      })
  })
}

/** Whoever has no history, as most tests, tells nobody. */
const where = (use: (history: History["Service"]) => Effect.Effect<void>): Effect.Effect<void> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const history = Context.getOrUndefined(context, History)
    return history === undefined ? Effect.void : use(history)
  })

export const tell = (told: Told) => where((history) => history.tell(told))
export const tellAll = (told: () => ReadonlyArray<Told>) => where((history) => history.tellAll(told))
