/**
 * Makes a running compute follow its current spec, without a restart.
 *
 * Source: `compute_tools/src/compute.rs` (`reconfigure`).
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { excerpt } from "../../domain/json/Excerpt.ts"
import { refusedSettings } from "../../domain/observe/MetricFamilies.ts"
import { describeAll, type RefusedSetting, refusedOnly, waitForRestart } from "../../domain/postgres/RefusedSetting.ts"
import { reconfigureConcurrency } from "../../domain/spec/Concurrency.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { Catalog } from "../../layers/catalog/Catalog.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { timedMillis } from "../../layers/compute/clock/timedMillis.ts"
import { MachineConfig } from "../../layers/compute/Options.ts"
import type { Waits } from "../../layers/compute/Waits.ts"
import { Certificates } from "../../layers/neighbours/Certificates.ts"
import type { LocalProxy } from "../../layers/neighbours/LocalProxy.ts"
import type { PgBouncer } from "../../layers/neighbours/PgBouncer.ts"
import { Rsyslog } from "../../layers/neighbours/Rsyslog.ts"
import { Metrics, timed } from "../../layers/observe/Metrics.ts"
import { underRequest } from "../../layers/observe/trace/Telemetry.ts"
import { DataDirectory } from "../../layers/postgres/dataDirectory/DataDirectory.ts"
import type { Postmaster } from "../../layers/postgres/Postmaster.ts"
import type { Sql } from "../../layers/sql/Sql.ts"
import { refuseUnreadable } from "../start/prepare.ts"
import { failureText, OperationFailed } from "./errors.ts"
import { tellNeighbours } from "./neighbours.ts"
import { type Reloaded, reload, signalReload } from "./reload.ts"
import { SUBSCRIBERS_ON, subscriptionsDropped } from "./subscribers.ts"
import { awaitWalProposer } from "./walProposer.ts"

export interface ReconfigureReport extends Reloaded {
  readonly operation: string | null
  /** Milliseconds. */
  readonly tookMs: number
  /** Null for a success. */
  readonly error: string | null
}

export interface ReconfigureOptions {
  /** Runs when the new `postgresql.conf` is in place, right before Postgres is told. */
  readonly afterConf?: Effect.Effect<void, Error>
  /** Whether what tenants have put in the way of the catalog is told, and fails nothing. Default: it fails. */
  readonly forgiving?: boolean
}

type Run = (options?: ReconfigureOptions) => Effect.Effect<ReconfigureReport, Error>

export class Reconfiguration extends Context.Service<
  Reconfiguration,
  {
    /** One reconfiguration with the current spec; waits while another one is at work. */
    readonly run: Run
    /** Keeps others out for as long as `use` takes; `use` gets a `run` that does not wait. */
    readonly exclusive: <A, E, R>(use: (run: Run) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    /** What the last one came to; null before the first. */
    readonly last: Effect.Effect<ReconfigureReport | null>
    /** What of the configuration was not in force when somebody could last see it, in the order of the files. */
    readonly refused: Effect.Effect<ReadonlyArray<RefusedSetting>>
    /** Digest of the certificate that the last successful one put in place; null when there was none. */
    readonly certificate: Effect.Effect<string | null>
  }
>()("compute/Reconfiguration") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

/** A refused setting fails nothing: the control plane relies on the rest of its spec being applied. */
const tellRefused = Effect.fnUntraced(function* ({ applied, settings }: Reloaded) {
  const waits = waitForRestart(settings ?? [])
  const refusals = refusedOnly(settings ?? [])
  if (waits.length > 0) yield* Effect.logWarning(`settings that wait for a restart: ${waits.join(", ")}`)
  if (refusals.length > 0) {
    const rest = applied ? "all others are in force" : "and with them all that is new in its configuration"
    yield* Effect.logError(`Postgres refused settings, ${rest}: ${describeAll(refusals)}`)
  }
})

const steps = Effect.fnUntraced(function* (
  spec: ParsedSpec,
  { afterConf, forgiving }: ReconfigureOptions,
  note: (reloaded: Reloaded) => Effect.Effect<void>
) {
  const directory = yield* DataDirectory
  const rsyslog = yield* Rsyslog
  const catalog = yield* Catalog
  const appliesCatalog = !spec.spec.skip_pg_catalog_updates && spec.spec.mode === "Primary"
  const dropsSubscriptions = spec.spec.drop_subscriptions_before_start && spec.spec.mode === "Primary"

  yield* refuseUnreadable(spec)
  yield* tellNeighbours(spec)
  const dropped = dropsSubscriptions ? yield* subscriptionsDropped(spec.timelineId) : false
  // In one write: a reload for another reason may come between two, and Postgres would stop what it runs.
  const conf = directory.writeConf(spec, dropped ? SUBSCRIBERS_ON : undefined)
  yield* Effect.all([conf, rsyslog.exportLogs(spec)], { concurrency: 2, discard: true })
  if (afterConf !== undefined) yield* afterConf
  const heeded = Effect.flatMap(yield* signalReload, (reloaded) =>
    Effect.andThen(note(reloaded), tellRefused(reloaded))
  )
  if (!appliesCatalog) return yield* heeded
  const apply = Effect.result(
    catalog.apply(spec, {
      concurrency: reconfigureConcurrency(spec.spec),
      phase: "reconfigure",
      ...(forgiving !== undefined && { forgiving })
    })
  )
  // Sessions of the apply are opened under the new configuration, and what is refused of it stops nothing. However the apply
  // ends, that is told.
  const [outcome] = yield* Effect.all([Effect.exit(Effect.andThen(awaitWalProposer(spec), apply)), heeded], {
    concurrency: 2
  })
  const applied = yield* outcome
  const pending =
    applied._tag === "Success" ? applied.success.subscriptions_pending : applied.failure.subscriptionsPending
  // Whatever else has failed, those that were left are users' own.
  const switchesOn = dropsSubscriptions && !dropped && !pending
  if (switchesOn && (yield* directory.ensureConfLine(SUBSCRIBERS_ON))) yield* reload
  yield* Effect.fromResult(applied)
})

function* make() {
  const state = yield* ComputeState
  const machine = yield* MachineConfig
  const certificates = yield* Certificates
  const metrics = yield* Metrics
  const lock = yield* Semaphore.make(1)
  const last = yield* Ref.make<ReconfigureReport | null>(null)
  const certificate = yield* Ref.make<string | null>(null)
  const refused = yield* Ref.make<ReadonlyArray<RefusedSetting>>([])
  yield* metrics.gauge(
    refusedSettings,
    Effect.map(Ref.get(refused), (settings) => [{ labels: {}, value: refusedOnly(settings).length }])
  )
  const scope = yield* Effect.scope
  const context = yield* Effect.context<
    Catalog | DataDirectory | LocalProxy | PgBouncer | Postmaster | Rsyslog | Sql | Waits
  >()

  /** Read before the key pair is copied: a change in between costs one reconfiguration more, never a missed one. */
  const digest =
    machine.tls === null ? Effect.succeedNone : Effect.option(Effect.map(certificates.pair, ({ digest }) => digest))

  const record = (spec: ParsedSpec, tookMs: number, reloaded: Reloaded, exit: Exit.Exit<void, Error>) => {
    const report: ReconfigureReport = {
      ...reloaded,
      operation: spec.spec.operation_uuid,
      tookMs,
      error: Exit.isSuccess(exit) ? null : failureText(exit.cause)
    }
    return Effect.as(Ref.set(last, report), report)
  }

  const run: Run = (options = {}) =>
    Effect.gen(function* () {
      const { spec } = yield* state.get
      if (spec === null) return yield* new OperationFailed({ message: "the compute has no spec yet" })
      const found = yield* digest
      const seen = yield* Ref.make<Reloaded>({ confirmed: false, applied: false, settings: null })
      const note = (reloaded: Reloaded) =>
        Effect.andThen(
          Ref.set(seen, reloaded),
          reloaded.settings === null ? Effect.void : Ref.set(refused, reloaded.settings)
        )
      const work = Effect.provide(steps(spec, options, note), context)
      const [took, exit] = yield* timedMillis(Effect.exit(Effect.provideService(work, Scope.Scope, scope)))
      const report = yield* record(spec, took, yield* Ref.get(seen), exit)
      yield* exit
      if (Option.isSome(found)) yield* Ref.set(certificate, found.value)
      yield* Effect.logInfo(
        `finished reconfiguration of compute node for operation ${excerpt(spec.spec.operation_uuid ?? "unknown")}`
      )
      return report
    }).pipe(timed("reconfigure"), Effect.provideService(Metrics, metrics), Effect.withSpan("reconfigure"), underRequest)

  return Reconfiguration.of({
    run: (options) => lock.withPermits(1)(run(options)),
    exclusive: (use) => lock.withPermits(1)(use(run)),
    last: Ref.get(last),
    refused: Ref.get(refused),
    certificate: Ref.get(certificate)
  })
}
