/**
 * Looks at Postgres twice a second: whether the compute is in use, and whether Postgres answers at all.
 *
 * Source: `compute_tools/src/monitor.rs`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { active, lastActivity } from "../../domain/observe/MetricFamilies.ts"
import {
  type ActivityReport,
  type ActivityState,
  decide,
  describeReason,
  initial,
  observe,
  report,
  rfc3339,
  type SignalRow
} from "../../domain/status/Activity.ts"
import { isTerminating } from "../../domain/status/ComputeStatus.ts"
import { ComputeState, type State } from "../compute/ComputeState.ts"
import { Sql, type SqlSession } from "../sql/Sql.ts"
import { statement } from "./activityStatement.ts"
import { makeDowntime } from "./Downtime.ts"
import { Metrics } from "./Metrics.ts"
import { makeOwnWork } from "./OwnWork.ts"

/** Between two looks. */
const PERIOD = Duration.millis(500)
/** For a connection, and for a look: a Postgres that hangs is down. */
const PATIENCE = Duration.seconds(5)
/** Milliseconds: a connection, a look and a pause, and something for a busy machine. */
const LONGEST_TICK = 2 * Duration.toMillis(PATIENCE) + Duration.toMillis(PERIOD) + 1500

/** Postgres could not be asked, or answered something else. */
export class CheckFailed extends Data.TaggedError("CheckFailed")<{ readonly message: string }> {}

export class Monitor extends Context.Service<
  Monitor,
  {
    /** The service loop. It ends when the compute terminates, and pauses while there is no Postgres to watch. */
    readonly poll: Effect.Effect<void>
    /** What the latest look found. */
    readonly activity: Effect.Effect<ActivityReport>
    /** What a look finds that begins after this was asked; the latest report if there is none within 6 s. */
    readonly fresh: Effect.Effect<ActivityReport>
    /** Our own work in databases of users: their statistics do not count while it runs and shortly after. */
    readonly disregard: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    /** The same for as long as the scope is open. */
    readonly disregarding: Effect.Effect<void, never, Scope.Scope>
  }
>()("compute/Monitor") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

/** There is a Postgres that should answer. A start opens sessions everywhere, which is not use; a stop is not downtime. */
const isWatched = ({ status, postgresRuns }: State) =>
  postgresRuns && status !== "empty" && status !== "init" && !isTerminating(status)

interface Known {
  readonly round: number
  readonly activity: ActivityState
  readonly monitor: ActivityReport["monitor"]
}

function* make() {
  const sql = yield* Sql
  const state = yield* ComputeState
  const metrics = yield* Metrics
  const known = yield* SubscriptionRef.make<Known>({ round: 0, activity: initial, monitor: "waiting" })
  const ownWork = yield* makeOwnWork
  const downtime = yield* makeDowntime(metrics, LONGEST_TICK)
  const lastSeen = yield* Ref.make<ReadonlyMap<string, number>>(new Map())

  yield* metrics.gauge(
    active,
    Effect.map(SubscriptionRef.get(known), ({ activity, monitor }) =>
      monitor === "watching" ? activity.reasons.map(({ kind, count }) => ({ labels: { kind }, value: count })) : []
    ).pipe(Effect.map(summed))
  )
  yield* metrics.gauge(
    lastActivity,
    Effect.map(Ref.get(lastSeen), (seen) => [...seen].map(([kind, value]) => ({ labels: { kind }, value })))
  )

  const reportDown = (error: Error) =>
    Effect.andThen(
      downtime.down(error),
      SubscriptionRef.update(known, (all): Known => ({ ...all, round: all.round + 1, monitor: "down" }))
    )

  const publish = Effect.fnUntraced(function* (activity: ActivityState) {
    const before = (yield* SubscriptionRef.get(known)).activity
    const { lastActive } = activity
    // Before anybody is told of this look.
    if (lastActive !== null && lastActive !== before.lastActive) {
      const ago = Number((activity.checkedAt ?? lastActive) - lastActive) / 1000
      const activeAt = (yield* Clock.currentTimeMillis) - Math.max(0, ago)
      yield* state.update(() => ({ lastActive: rfc3339(lastActive), activeAt }))
    }
    yield* SubscriptionRef.update(known, ({ round }): Known => ({ round: round + 1, activity, monitor: "watching" }))
    const seconds = Number(activity.checkedAt ?? 0n) / 1e6
    yield* Ref.update(
      lastSeen,
      (seen) => new Map([...seen, ...activity.reasons.map(({ kind }) => [kind, seconds] as const)])
    )
    if ((before.reasons.length === 0) !== (activity.reasons.length === 0)) {
      const reasons = report(activity, "watching").reasons.map(describeReason).join("; ")
      yield* Effect.logDebug(reasons === "" ? "compute is idle" : `compute is active: ${reasons}`)
    }
  })

  const check = Effect.fnUntraced(
    function* (session: SqlSession) {
      const { spec, status } = yield* state.get
      const statistics = spec?.spec.features.includes("activity_monitor_experimental") ?? false
      // A reconfiguration opens sessions everywhere.
      if (status !== "running") yield* ownWork.noticed
      const before = yield* ownWork.isSeen
      const rows = yield* session.query<SignalRow>(statement(statistics))
      const seen = observe(rows)
      if (seen === null) return yield* new CheckFailed({ message: "the answer lacks the time" })
      const disturbed = before || (yield* ownWork.isSeen)
      yield* publish(decide((yield* SubscriptionRef.get(known)).activity, seen, { statistics, ownWork: disturbed }))
    },
    Effect.timeoutOrElse({
      duration: PATIENCE,
      orElse: () => Effect.fail(new CheckFailed({ message: `no answer within ${Duration.format(PATIENCE)}` }))
    })
  )

  const watchOneSession = Effect.gen(function* () {
    const session = yield* sql.session({
      applicationName: "compute_ctl:compute_monitor",
      purpose: "probe",
      connectTimeout: PATIENCE
    })
    yield* check(session).pipe(Effect.andThen(downtime.up), Effect.andThen(Effect.sleep(PERIOD)), Effect.forever)
  }).pipe(Effect.scoped)

  const watch = Effect.gen(function* () {
    yield* Effect.withSpan(Effect.logInfo("starting compute monitor"), "compute_monitor")
    yield* downtime.begin
    yield* watchOneSession.pipe(Effect.catch(reportDown), Effect.andThen(Effect.sleep(PERIOD)), Effect.forever)
  })

  const stopWatching = Effect.andThen(
    downtime.end,
    SubscriptionRef.update(
      known,
      ({ round, activity }): Known => ({
        round: round + 1,
        // Whatever kept the compute awake before is to be seen anew.
        activity: { ...activity, reasons: [], activeSince: null, sums: null },
        monitor: "waiting"
      })
    )
  )

  const poll = Effect.gen(function* () {
    while (true) {
      const found = yield* state.await((now) => isWatched(now) || isTerminating(now.status))
      if (isTerminating(found.status)) return
      yield* Effect.raceFirst(
        watch,
        state.await((now) => !isWatched(now))
      ).pipe(Effect.ensuring(stopWatching))
    }
  })

  const reportNow = Effect.map(SubscriptionRef.get(known), ({ activity, monitor }) => report(activity, monitor))

  return Monitor.of({
    poll,
    activity: reportNow,
    fresh: Effect.gen(function* () {
      const { round } = yield* SubscriptionRef.get(known)
      // The next look may have begun already; the one after it has not.
      yield* SubscriptionRef.changes(known).pipe(
        Stream.filter((now) => now.round >= round + 2 || now.monitor !== "watching"),
        Stream.runHead,
        Effect.timeoutOption("6 seconds")
      )
      return yield* reportNow
    }),
    disregard: ownWork.during,
    disregarding: ownWork.scoped
  })
}

/** One sample for each kind: sessions of several states may be of one. */
const summed = (samples: ReadonlyArray<{ readonly labels: { readonly kind: string }; readonly value: number }>) => {
  const sums = new Map<string, number>()
  for (const { labels, value } of samples) sums.set(labels.kind, (sums.get(labels.kind) ?? 0) + value)
  return [...sums].map(([kind, value]) => ({ labels: { kind }, value }))
}
