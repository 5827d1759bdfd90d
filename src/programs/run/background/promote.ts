/**
 * Makes a primary of a warmed-up replica: once, for everybody who asks.
 *
 * Source: `compute_tools/src/compute_promote.rs`.
 */

import { isDeepStrictEqual } from "node:util"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import { literal } from "../../../domain/postgres/Quote.ts"
import { describeAll, refusedOnly } from "../../../domain/postgres/RefusedSetting.ts"
import { format, type Lsn, parse } from "../../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { isTerminating, kebab } from "../../../domain/status/ComputeStatus.ts"
import type { PromoteState } from "../../../domain/status/Operations.ts"
import { keepPort, laterRefusal, REPLAY_POLLS, refusal } from "../../../domain/status/Promotion.ts"
import * as SafekeeperList from "../../../domain/storage/SafekeeperList.ts"
import { ComputeState } from "../../../layers/compute/ComputeState.ts"
import { timedMillis } from "../../../layers/compute/clock/timedMillis.ts"
import { failAt } from "../../../layers/compute/Failpoints.ts"
import { Waits } from "../../../layers/compute/Waits.ts"
import { Postmaster } from "../../../layers/postgres/Postmaster.ts"
import { Sql, type SqlSession } from "../../../layers/sql/Sql.ts"
import { doing, failureText, OperationFailed } from "../errors.ts"
import { Reconfiguration } from "../reconfigure.ts"
import { reload } from "../reload.ts"

const REPLAY_LIMIT = "60 seconds"
/** Postgres itself waits a minute for the promotion. */
const PROMOTE_LIMIT = "70 seconds"

export interface PromotionRequest {
  readonly spec: ParsedSpec
  readonly walFlushLsn: Lsn
}
const failed = (message: string) => new OperationFailed({ message })

const replayed = (session: SqlSession) =>
  session
    .query<{ readonly lsn: string | null }>("SELECT pg_catalog.pg_last_wal_replay_lsn()::pg_catalog.text AS lsn")
    .pipe(
      doing("getting last replay lsn"),
      Effect.map((rows) => Result.getOrNull(parse(rows[0]?.lsn ?? "")))
    )

const catchUp = Effect.fnUntraced(function* (session: SqlSession, target: Lsn) {
  for (let poll = 1; poll <= REPLAY_POLLS; poll++) {
    const lsn = yield* replayed(session)
    if (lsn !== null && lsn >= target) return
    yield* Effect.logInfo("waiting for the replay of the primary's last write").pipe(
      Effect.annotateLogs({ replayed: lsn === null ? "none" : format(lsn), wanted: format(target) })
    )
    if (poll < REPLAY_POLLS) yield* Effect.sleep("1 second")
  }
  return yield* failed("didn't catch up with primary in 20 retries")
})

/** Commits of the new primary wait for its WAL proposer, and from the first one on for the right safekeepers. */
const adoptSafekeepers = Effect.fnUntraced(function* (session: SqlSession, spec: ParsedSpec) {
  // The form in `postgresql.conf`, so that its later reset changes nothing.
  const value = literal(SafekeeperList.render(spec.safekeepers, spec.safekeepersGeneration))
  yield* doing("setting safekeepers")(session.query(`ALTER SYSTEM SET neon.safekeepers = ${value}`))
  yield* doing("setting synchronous_standby_names")(
    session.query("ALTER SYSTEM SET synchronous_standby_names = walproposer")
  )
  const { applied, settings } = yield* doing("reloading postgres config")(reload)
  if (!applied) {
    return yield* failed(
      `reloading postgres config: Postgres refused the new configuration: ${describeAll(refusedOnly(settings ?? []))}`
    )
  }
})

/** `postgresql.auto.conf` outranks `postgresql.conf`: what stays in it shadows every later configuration. */
const resetSystem = (session: SqlSession) =>
  Effect.andThen(
    session.query("ALTER SYSTEM RESET neon.safekeepers"),
    session.query("ALTER SYSTEM RESET synchronous_standby_names")
  )

/** Undoes what was set for a promotion that did not come about. */
const forgetSafekeepers = Effect.fnUntraced(
  function* (session: SqlSession) {
    yield* resetSystem(session)
    const postmaster = yield* Postmaster
    const postgres = yield* postmaster.current
    if (postgres !== null) yield* postgres.reload
  },
  Effect.timeout("5 seconds"),
  Effect.ignore({ log: true })
)

/** An earlier try may have run into its limit, and Postgres have ended its recovery since. */
const promotePostgres = Effect.fnUntraced(function* (session: SqlSession) {
  const waits = yield* Waits
  yield* failAt("compute-promotion", (message) => new OperationFailed({ message }))
  const rows = yield* doing("pg_promote")(
    waits.within(
      "pg_promote",
      PROMOTE_LIMIT
    )(
      session.query<{ readonly done: boolean }>(
        "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_promote() ELSE true END AS done"
      )
    )
  )
  if (rows[0]?.done !== true) return yield* failed("pg_promote() failed")
  const shown = yield* doing("getting transaction_read_only")(
    session.query<{ readonly transaction_read_only: string }>("SHOW transaction_read_only")
  )
  if (shown[0]?.transaction_read_only === "on") {
    return yield* failed("replica in read only mode after promotion")
  }
})

export class Promotion extends Context.Service<
  Promotion,
  {
    /**
     * Joins the promotion that runs, or gives the result of the one that succeeded; otherwise tries, with its own spec. The
     * work goes on when the caller is gone.
     */
    readonly promote: (request: PromotionRequest) => Effect.Effect<PromoteState>
  }
>()("compute/Promotion") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

interface Running {
  readonly request: PromotionRequest
  readonly result: Deferred.Deferred<PromoteState>
}

const isSame = (one: PromotionRequest, other: PromotionRequest): boolean =>
  one.walFlushLsn === other.walFlushLsn && isDeepStrictEqual(one.spec.spec, other.spec.spec)

function* make() {
  const scope = yield* Effect.scope
  const state = yield* ComputeState
  const reconfiguration = yield* Reconfiguration
  const context = yield* Effect.context<Postmaster | Sql | Waits>()
  const lock = yield* Semaphore.make(1)
  const current = yield* Ref.make<Running | null>(null)
  /** Postgres is a primary already, but its configuration did not get through: the next request goes on from here. */
  const promoted = yield* Ref.make<{ readonly lsnWait: number; readonly pgPromote: number } | null>(null)

  const checked = Effect.fnUntraced(function* ({ spec: wanted }: PromotionRequest) {
    const { spec, prewarm } = yield* state.get
    if (spec === null) return yield* failed("the compute has no spec yet")
    const reason = refusal(spec.spec, prewarm, wanted.spec)
    if (reason !== null) return yield* failed(reason)
    if (prewarm.status === "failed") yield* Effect.logWarning(`promoting after a failed prewarm: ${prewarm.error}`)
    return { ...wanted, spec: keepPort(spec.spec, wanted.spec) } satisfies ParsedSpec
  })

  const session = Effect.flatMap(Sql, (sql) =>
    doing("connecting to postgres")(
      sql.session({ applicationName: "compute_ctl:apply_config", maintenance: true, purpose: "transfer" })
    )
  )

  /** From a replica to a Postgres that takes writes, and a state that says so. */
  const becomePrimary = Effect.fnUntraced(function* (request: PromotionRequest) {
    const waits = yield* Waits
    const wanted = yield* checked(request)
    const own = yield* session
    const [lsnWait] = yield* timedMillis(
      waits.within("replay of the primary's WAL", REPLAY_LIMIT)(catchUp(own, request.walFlushLsn))
    )
    const [pgPromote] = yield* Effect.andThen(adoptSafekeepers(own, wanted), promotePostgres(own)).pipe(
      Effect.onError(() => forgetSafekeepers(own)),
      timedMillis
    )
    const times = { lsnWait, pgPromote }
    yield* Ref.set(promoted, times)
    yield* state.update(() => ({ spec: wanted }))
    return times
  }, Effect.scoped)

  /** Postgres is a primary by an earlier try; whatever spec that one had, this request's is the one to go on with. */
  const goOn = Effect.fnUntraced(function* ({ spec: wanted }: PromotionRequest) {
    const { spec } = yield* state.get
    const reason = laterRefusal(wanted.spec)
    if (reason !== null) return yield* failed(reason)
    yield* state.update(() => ({ spec: { ...wanted, spec: keepPort(spec?.spec ?? wanted.spec, wanted.spec) } }))
  })

  const promotion = (request: PromotionRequest) =>
    reconfiguration.exclusive((run) =>
      Effect.gen(function* () {
        const before = yield* Ref.get(promoted)
        if (before !== null) yield* goOn(request)
        const times = before ?? (yield* becomePrimary(request))
        const afterConf = Effect.flatMap(session, resetSystem).pipe(
          Effect.scoped,
          Effect.catch((error) =>
            Effect.logError(`settings of the promotion stay in postgresql.auto.conf: ${error.message}`)
          ),
          Effect.provide(context)
        )
        const [took] = yield* timedMillis(run({ afterConf, forgiving: true }))
        return {
          status: "completed",
          lsn_wait_time_ms: times.lsnWait,
          pg_promote_time_ms: times.pgPromote,
          reconfigure_time_ms: took
        } as const
      })
    )

  const ending = Effect.flatMap(
    state.await(({ status }) => isTerminating(status)),
    ({ status }) => failed(`invalid compute status: ${kebab(status)}`)
  )

  const attempt = (request: PromotionRequest): Effect.Effect<PromoteState> =>
    Effect.raceFirst(promotion(request), ending).pipe(
      Effect.catchCause((cause) =>
        Effect.gen(function* () {
          yield* Effect.logError("promotion failed", cause)
          return { status: "failed", error: failureText(cause) } as const
        })
      ),
      Effect.withSpan("promote"),
      Effect.provide(context)
    )

  const begin = Effect.fnUntraced(
    function* (request: PromotionRequest) {
      const joined = yield* Ref.get(current)
      if (joined !== null) return joined
      const result = yield* Deferred.make<PromoteState>()
      const running: Running = { request, result }
      yield* Ref.set(current, running)
      yield* Effect.interruptible(attempt(request)).pipe(
        Effect.onInterrupt(() =>
          Deferred.succeed(result, { status: "failed", error: "the compute ended during the promotion" })
        ),
        // Only success stays: whatever failed is looked at anew.
        Effect.tap((settled) => (settled.status === "completed" ? Effect.void : Ref.set(current, null))),
        Effect.flatMap((settled) => Deferred.succeed(result, settled)),
        Effect.forkIn(scope)
      )
      return running
    },
    lock.withPermits(1),
    Effect.uninterruptible
  )

  const promote = (request: PromotionRequest): Effect.Effect<PromoteState> =>
    Effect.gen(function* () {
      const running = yield* begin(request)
      const settled = yield* Deferred.await(running.result)
      // Somebody else's spec has failed, which says nothing about another one.
      return settled.status === "failed" && !isSame(running.request, request) ? yield* promote(request) : settled
    })

  return Promotion.of({ promote })
}
