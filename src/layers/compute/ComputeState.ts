/**
 * The one record of what this compute is doing. `transition` is the only writer of `status`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Stream from "effect/Stream"
import { statusChanges } from "../../domain/observe/MetricFamilies.ts"
import type { Lsn } from "../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { type Cause, type ComputeStatus, kebab, next } from "../../domain/status/ComputeStatus.ts"
import type { OffloadState, PrewarmState } from "../../domain/status/Operations.ts"
import { type StartupMetrics, zero } from "../../domain/status/StartupMetrics.ts"
import { Metrics } from "../observe/Metrics.ts"
import { wallMillisUnsafe } from "./clock/WallClock.ts"
import { tell } from "./History.ts"
import * as Watched from "./Watched.ts"

export interface State {
  readonly status: ComputeStatus
  /** When `status` was entered, epoch milliseconds. */
  readonly since: number
  /** RFC 3339 with `Z`: creation of the state, or arrival of the spec at an empty compute. */
  readonly startTime: string
  /** The same moment in milliseconds of the clock that only goes forward. */
  readonly startedAt: number
  /** RFC 3339 with `+00:00` and microseconds; null until the first user activity. */
  readonly lastActive: string | null
  /** The same moment, as `startedAt`. */
  readonly activeAt: number | null
  /** Error chain of the last failure: head, blank line, `Caused by:` list. */
  readonly error: string | null
  readonly spec: ParsedSpec | null
  /** Nobody waits for what becomes of a configuration that is pending: the machine itself has asked for it. */
  readonly unasked: boolean
  /** Whether a postmaster of ours is up. */
  readonly postgresRuns: boolean
  readonly metrics: StartupMetrics
  readonly prewarm: PrewarmState
  readonly offload: OffloadState
  /** Where the safekeepers were in sync when Postgres had ended; the answer of `/terminate`. */
  readonly terminateFlushLsn: Lsn | null
  /** This process ends without having learnt that: null would mean that there is none. */
  readonly cutShort: boolean
}

/** The compute is in a status from which `cause` leads nowhere. The message is the one clients match. */
export class InvalidStatus extends Data.TaggedError("InvalidStatus")<{ readonly status: ComputeStatus }> {
  override get message() {
    return `invalid compute status: ${kebab(this.status)}`
  }
}

export class ComputeState extends Context.Service<
  ComputeState,
  {
    readonly get: Effect.Effect<State>
    /** Every state from the current one on; consecutive equal ones are dropped. */
    readonly changes: Stream.Stream<State>
    /** Follows the edge of `cause`, changing other members in the same step. Succeeds with the new state. */
    readonly transition: (
      cause: Cause,
      patch?: (state: State) => Partial<Omit<State, "status" | "since">>
    ) => Effect.Effect<State, InvalidStatus>
    /** Changes members other than the status. */
    readonly update: (patch: (state: State) => Partial<Omit<State, "status" | "since">>) => Effect.Effect<void>
    /** The first state that satisfies the predicate, which must accept every state the caller would otherwise wait past. */
    readonly await: (predicate: (state: State) => boolean) => Effect.Effect<State>
  }
>()("compute/ComputeState") {
  static readonly layer = Layer.effect(this, Effect.gen(make))

  /** The state as it is now. */
  static readonly current = Effect.flatMap(this, ({ get }) => get)
}

const initial = (clock: Clock.Clock): State => ({
  status: "empty",
  since: wallMillisUnsafe(clock),
  startTime: new Date(wallMillisUnsafe(clock)).toISOString(),
  startedAt: clock.currentTimeMillisUnsafe(),
  lastActive: null,
  activeAt: null,
  error: null,
  spec: null,
  unasked: false,
  postgresRuns: false,
  metrics: zero,
  prewarm: { status: "not_prewarmed" },
  offload: { status: "not_offloaded" },
  terminateFlushLsn: null,
  cutShort: false
})

function* make() {
  const clock = yield* Clock.Clock
  const metrics = yield* Metrics
  const watched = Watched.make(initial(clock))

  const changed = (cause: Cause, from: ComputeStatus, to: State) =>
    Effect.logInfo(`Changing compute status from ${kebab(from)} to ${kebab(to.status)}`).pipe(
      Effect.annotateLogs({ cause }),
      Effect.andThen(metrics.increment(statusChanges, { to: kebab(to.status) })),
      Effect.andThen(tell({ kind: "state", from, status: to.status, cause, error: to.error })),
      Effect.as(to)
    )

  const transition = (cause: Cause, patch: (state: State) => Partial<State> = () => ({})) =>
    watched
      .modify((state): readonly [Effect.Effect<State, InvalidStatus>, State] => {
        const status = next(state.status, cause, state.postgresRuns)
        if (status === undefined) return [Effect.fail(new InvalidStatus({ status: state.status })), state]
        const to: State = { ...state, ...patch(state), status, since: wallMillisUnsafe(clock) }
        return [changed(cause, state.status, to), to]
      })
      .pipe(Effect.flatten, Effect.uninterruptible)

  return ComputeState.of({
    get: watched.get,
    changes: watched.changes,
    transition,
    update: (patch) => watched.modify((state) => [undefined, { ...state, ...patch(state) }]),
    await: watched.await
  })
}
