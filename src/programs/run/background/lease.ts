/**
 * Keeps the LSN of a static compute leased, so that the pageservers do not collect the garbage under it.
 *
 * Source: `compute_tools/src/lsn_lease.rs`.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import { lsnLeaseExpiry, lsnLeaseRequests } from "../../../domain/observe/MetricFamilies.ts"
import type { Outcome } from "../../../domain/observe/Outcome.ts"
import { format, type Lsn } from "../../../domain/spec/Lsn.ts"
import { equivalence } from "../../../domain/spec/PageserverConnectionInfo.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { REFUSED_PAUSE, renewalPause, retryPause } from "../../../domain/storage/Lease.ts"
import { inWords, leaseEndpoints } from "../../../domain/storage/PageserverEndpoint.ts"
import { ComputeState, type State } from "../../../layers/compute/ComputeState.ts"
import { sleepUnlessSet, wallMillis } from "../../../layers/compute/clock/WallClock.ts"
import { retrying } from "../../../layers/compute/retrying.ts"
import { Waits } from "../../../layers/compute/Waits.ts"
import { Metrics } from "../../../layers/observe/Metrics.ts"
import { Pageserver } from "../../../layers/storage/pageserver/Pageserver.ts"

/** One try, with all its connections. */
const TRY_LIMIT = "30 seconds"

/** A pageserver will not hold the LSN any more. */
export class LeaseRefused extends Data.TaggedError("LeaseRefused")<{ readonly lsn: Lsn }> {
  override get message() {
    return "Permanent error: lease could not be obtained, LSN is behind the GC cutoff"
  }
}

const leased = (spec: ParsedSpec | null): Lsn | null =>
  spec !== null && typeof spec.spec.mode === "object" ? spec.spec.mode.Static : null

/** Whether what a lease depends on is another one than in `spec`: where the pageservers are, or which LSN is read. */
const moved = (spec: ParsedSpec) => (state: State) =>
  state.spec !== null &&
  state.spec !== spec &&
  (leased(state.spec) !== leased(spec) || !equivalence(state.spec.pageserver, spec.pageserver))

/**
 * Runs as long as the compute does, and idles while it is not static. Failures are retried for ever; a refusal is
 * logged, counted and asked again each minute. A spec with other pageservers is followed at once.
 */
export const keepLease = Effect.gen(function* () {
  const state = yield* ComputeState
  const pageserver = yield* Pageserver
  const metrics = yield* Metrics
  const waits = yield* Waits
  const expiry = yield* Ref.make<number | null>(null)
  yield* metrics.gauge(
    lsnLeaseExpiry,
    Effect.map(Ref.get(expiry), (held) => (held === null ? [] : [{ labels: {}, value: held / 1000 }]))
  )

  const count = (outcome: Outcome) => metrics.increment(lsnLeaseRequests, { outcome })

  /** Null when it is refused; failures are followed by further tries. */
  const granted = (spec: ParsedSpec, lsn: Lsn) =>
    waits
      .within(
        "LSN lease",
        TRY_LIMIT
      )(pageserver.leaseLsn(spec, lsn))
      .pipe(
        Effect.tapError(() => count("failed")),
        retrying({
          whom: inWords(Result.getOrElse(leaseEndpoints(spec.pageserver), () => [])),
          attempts: null,
          schedule: Schedule.modifyDelay(Schedule.forever, ({ attempt }) => Effect.succeed(retryPause(attempt - 1))),
          failed: ({ error, failures }) =>
            Effect.logWarning(`Failed to acquire lsn lease: ${error.message} (attempt ${failures})`)
        }),
        waits.openEnded("LSN lease to be granted")
      )

  /** Succeeds with the pause until the next request. */
  const request = Effect.fnUntraced(
    function* (spec: ParsedSpec, lsn: Lsn) {
      const validUntil = yield* granted(spec, lsn)
      if (validUntil === null) return yield* new LeaseRefused({ lsn })
      const pause = renewalPause(yield* wallMillis, validUntil)
      yield* Ref.set(expiry, validUntil)
      yield* count("ok")
      yield* Effect.logInfo(`Request succeeded, sleeping for ${Math.floor(pause / 1000)} seconds`)
      return pause
    },
    Effect.catchTag("LeaseRefused", (error) =>
      count("refused").pipe(
        Effect.andThen(Effect.logWarning(`${error.message}; asking again in ${REFUSED_PAUSE / 1000} seconds`)),
        Effect.as(REFUSED_PAUSE)
      )
    )
  )

  const hold = (spec: ParsedSpec, lsn: Lsn) =>
    Effect.raceFirst(
      Effect.flatMap(request(spec, lsn), sleepUnlessSet),
      Effect.andThen(state.await(moved(spec)), Effect.logInfo("Pageserver config changed"))
    ).pipe(
      Effect.withSpan("lsn_lease_bg_task", {
        attributes: { tenant_id: spec.tenantId, timeline_id: spec.timelineId, lsn: format(lsn) }
      })
    )

  const turn = Effect.gen(function* () {
    const { spec } = yield* state.await((current) => leased(current.spec) !== null)
    const lsn = leased(spec)
    if (spec === null || lsn === null) return
    yield* hold(spec, lsn)
    if (leased((yield* state.get).spec) === null) yield* Ref.set(expiry, null)
  })
  return yield* Effect.forever(turn)
}).pipe(Effect.scoped)
