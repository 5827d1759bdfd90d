/**
 * Every wait has a name and a deadline. What is being waited for now can be asked; a slow wait is logged once; each is a span.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { waitsExpired } from "../../domain/observe/MetricFamilies.ts"
import { Metrics } from "../observe/Metrics.ts"
import { toWallUnsafe } from "./clock/WallClock.ts"
import { tell } from "./History.ts"

export interface Wait {
  readonly name: string
  /** Epoch milliseconds, by the wall clock of when this is asked. */
  readonly since: number
  /** Epoch milliseconds; null for a wait that is open-ended by nature (a spec, a request to stop). */
  readonly deadline: number | null
  /** What is known about it: whom it waits for, what failed last. */
  readonly detail: string | null
}

/** A wait ran over its deadline. */
export class WaitExpired extends Data.TaggedError("WaitExpired")<{
  readonly wait: string
  readonly limit: Duration.Duration
  /** It could have gone on for as long as something came. */
  readonly progressing?: true
}> {
  override get message() {
    const what = this.progressing === true ? "no progress" : "not done"
    return `${this.wait}: ${what} within ${Duration.format(this.limit)}`
  }
}

const SLOW = Duration.seconds(5)

/** Tells more about the wait that the effect runs in, the innermost one; does nothing outside of any. */
export const CurrentWait = Context.Reference<(detail: string | null) => Effect.Effect<void>>("compute/CurrentWait", {
  defaultValue: () => () => Effect.void
})

/** What the next wait to begin tells about itself from the start: it is one of several tries. */
export const FirstDetail = Context.Reference<string | null>("compute/FirstDetail", { defaultValue: () => null })

export class Waits extends Context.Service<
  Waits,
  {
    readonly current: Effect.Effect<ReadonlyArray<Wait>>
    /** Runs `effect` under `name`; interrupts it and fails when `limit` is over. */
    readonly within: (
      name: string,
      limit: Duration.Input
    ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | WaitExpired, R>
    /**
     * The same for what may take as long as it gets on: the limit counts from the last call of `progress`, which is cheap.
     */
    readonly progressing: (
      name: string,
      limit: Duration.Input
    ) => <A, E, R>(use: (progress: () => void) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | WaitExpired, R>
    /** Tells more about the waits of this name that go on. */
    readonly note: (name: string) => (detail: string | null) => Effect.Effect<void>
    /** For what may take for ever. */
    readonly openEnded: (name: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  }
>()("compute/Waits") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

/** Times by the clock that only goes forward. */
interface Registered extends Omit<Wait, "deadline"> {
  readonly deadline: () => number | null
}

function* make() {
  const metrics = yield* Metrics
  const clock = yield* Clock.Clock
  const waits = yield* Ref.make<ReadonlyMap<symbol, Registered>>(new Map())

  const told = (name: string, state: "begun" | "ended" | "expired", deadline: number | null) =>
    tell({
      kind: "wait",
      name,
      state,
      deadline: deadline === null ? null : new Date(toWallUnsafe(clock, deadline)).toISOString()
    })

  const registered = <A, E, R>(
    name: string,
    deadline: () => number | null,
    effect: Effect.Effect<A, E, R>,
    detail: string | null,
    since = clock.currentTimeMillisUnsafe()
  ) => {
    const wait: Registered = { name, since, deadline, detail }
    const id = Symbol(name)
    const note = (detail: string | null) =>
      Ref.update(waits, (all) => {
        const known = all.get(id)
        return known === undefined ? all : new Map([...all, [id, { ...known, detail }]])
      })
    return Effect.acquireUseRelease(
      Effect.andThen(
        Ref.update(waits, (all) => new Map([...all, [id, wait]])),
        told(name, "begun", deadline())
      ),
      () =>
        effect.pipe(
          Effect.provideService(CurrentWait, note),
          Effect.provideService(FirstDetail, null),
          Effect.withSpan(name)
        ),
      () =>
        Effect.andThen(
          Ref.update(waits, (all) => new Map([...all].filter(([other]) => other !== id))),
          told(name, "ended", deadline())
        )
    )
  }

  const noteSlow = (name: string, limit: Duration.Duration) =>
    Effect.logWarning(`still waiting: ${name}`).pipe(
      Effect.annotateLogs({ limit: Duration.format(limit) }),
      Effect.delay(SLOW)
    )

  /** A deadline may be put off meanwhile. */
  const until = (deadline: () => number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const left = deadline() - clock.currentTimeMillisUnsafe()
      return left <= 0 ? Effect.void : Effect.andThen(Effect.sleep(left), until(deadline))
    })

  /**
   * None when the limit is over: then what cannot be interrupted is left to end on its own. An interruption from outside
   * is waited for, so that whoever interrupts finds children and sockets gone.
   */
  const limited = <A, E, R>(effect: Effect.Effect<A, E, R>, deadline: () => number) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkDetach(restore(effect))
        const result = yield* restore(
          Effect.raceFirst(Effect.asSome(Fiber.join(fiber)), Effect.as(until(deadline), Option.none()))
        ).pipe(Effect.onInterrupt(() => Fiber.interrupt(fiber)))
        if (Option.isNone(result)) fiber.interruptUnsafe()
        return result
      })
    )

  const bounded = Effect.fnUntraced(function* <A, E, R>(
    name: string,
    limit: Duration.Duration,
    use: (progress: () => void) => Effect.Effect<A, E, R>,
    progressing?: true
  ) {
    const since = clock.currentTimeMillisUnsafe()
    let from = since
    const progress = () => {
      from = clock.currentTimeMillisUnsafe()
    }
    const deadline = () => from + Duration.toMillis(limit)
    const waiting = registered(name, deadline, limited(use(progress), deadline), yield* FirstDetail, since)
    const result = yield* Duration.isGreaterThan(limit, SLOW)
      ? Effect.acquireUseRelease(
          Effect.forkChild(Effect.interruptible(noteSlow(name, limit))),
          () => waiting,
          Fiber.interrupt
        )
      : waiting
    if (Option.isSome(result)) return result.value
    yield* metrics.increment(waitsExpired, { wait: name })
    yield* told(name, "expired", null)
    return yield* new WaitExpired({ wait: name, limit, ...(progressing && { progressing }) })
  })

  return Waits.of({
    current: Effect.map(Ref.get(waits), (all) =>
      [...all.values()].map(({ deadline, since, ...wait }) => {
        const until = deadline()
        return {
          ...wait,
          since: toWallUnsafe(clock, since),
          deadline: until === null ? null : toWallUnsafe(clock, until)
        }
      })
    ),
    note: (name) => (detail) =>
      Ref.update(
        waits,
        (all) => new Map([...all].map(([id, wait]) => [id, wait.name === name ? { ...wait, detail } : wait] as const))
      ),
    openEnded: (name) => (effect) =>
      Effect.flatMap(FirstDetail, (detail) => registered(name, () => null, effect, detail)),
    within: (name, limit) => (effect) =>
      Effect.suspend(() => bounded(name, Duration.fromInputUnsafe(limit), () => effect)),
    progressing: (name, limit) => (use) =>
      Effect.suspend(() => bounded(name, Duration.fromInputUnsafe(limit), use, true))
  })
}
