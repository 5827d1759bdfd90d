/**
 * From a spec to a compute that serves. A customer waits for this: everything that does not need another step's result
 * runs together, and nothing is here that could come later.
 *
 * Source: `compute_tools/src/compute.rs` (`start_compute`).
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { isCompliance } from "../../domain/conf/AuditConf.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { timedMillis } from "../../layers/compute/clock/timedMillis.ts"
import { MachineConfig, Options } from "../../layers/compute/Options.ts"
import { Supervisor } from "../../layers/compute/Supervisor.ts"
import { Waits } from "../../layers/compute/Waits.ts"
import { Extensions } from "../../layers/extensions/Extensions.ts"
import { setDiskQuota } from "../../layers/machine/vm/diskQuota.ts"
import { resizeSwap } from "../../layers/machine/vm/swap.ts"
import { Certificates } from "../../layers/neighbours/Certificates.ts"
import { Rsyslog } from "../../layers/neighbours/Rsyslog.ts"
import { Postmaster, type RunningPostgres } from "../../layers/postgres/Postmaster.ts"
import { tellNeighbours } from "../run/neighbours.ts"
import { configurePrimary } from "./configurePrimary.ts"
import { asIs, StartFailed, step } from "./errors.ts"
import { phase } from "./phase.ts"
import { prepareDataDirectory } from "./prepare.ts"
import type { Storage } from "./storage.ts"

const HOST_LIMIT = "60 seconds"

/** The parts of the machine a spec may resize; each needs the spec's value and the process's flag. */
const resizeHost = Effect.fnUntraced(function* (spec: ParsedSpec) {
  const options = yield* Options
  const waits = yield* Waits
  const { swap_size_bytes, disk_quota_bytes } = spec.spec
  const swap =
    swap_size_bytes !== null && options.resizeSwapOnBind
      ? step("failed to resize swap")(waits.within("swap to be resized", HOST_LIMIT)(resizeSwap(swap_size_bytes)))
      : Effect.void
  const quota =
    disk_quota_bytes !== null && options.setDiskQuotaForFs !== null
      ? step("failed to set disk quota")(
          waits.within("disk quota to be set", HOST_LIMIT)(setDiskQuota(disk_quota_bytes, options.setDiskQuotaForFs))
        )
      : Effect.void
  yield* Effect.all([swap, quota], { concurrency: 2, discard: true })
})

/** Preload libraries have to be there before Postgres loads them. */
const loadExtensions = Effect.fnUntraced(function* (spec: ParsedSpec) {
  if (spec.spec.remote_extensions === null) return
  const extensions = yield* Extensions
  const waits = yield* Waits
  const state = yield* ComputeState
  const loaded = yield* phase("load extensions")(
    asIs(waits.openEnded("extensions to be loaded")(extensions.prepare(spec)))
  )
  yield* state.update(({ metrics }) => ({
    metrics: {
      ...metrics,
      load_ext_ms: loaded.loadExtMs,
      num_ext_downloaded: loaded.numDownloaded,
      largest_ext_size: loaded.largest,
      total_ext_download_size: loaded.total
    }
  }))
})

const shipLogs = Effect.fnUntraced(function* (spec: ParsedSpec) {
  const rsyslog = yield* Rsyslog
  const services = yield* Supervisor
  if (isCompliance(spec.spec.audit_log_level)) {
    yield* asIs(rsyslog.audit(spec))
    yield* services.run("audit log cleaning", rsyslog.auditGarbage)
  }
  yield* asIs(rsyslog.exportLogs(spec))
})

const awaitCertificates = Effect.gen(function* () {
  const machine = yield* MachineConfig
  if (machine.tls === null) return
  const certificates = yield* Certificates
  yield* asIs(certificates.ready)
})

const startPostgres = Effect.fnUntraced(function* (spec: ParsedSpec) {
  const postmaster = yield* Postmaster
  const state = yield* ComputeState
  const started = postmaster.start(spec).pipe(Effect.tap((postgres) => postgres.ready))
  const [took, postgres] = yield* asIs(timedMillis(phase("start postgres", "start_postgres")(started)))
  yield* state.update(({ metrics }) => ({
    postgresRuns: true,
    metrics: { ...metrics, start_postgres_ms: took }
  }))
  return postgres
})

/**
 * Runs every step up to the last one before the status `running`. `listening` gates Postgres: a process that cannot
 * serve its API must not have started one. Postgres is stopped when the scope closes. `storage` is used once, before that.
 */
export const start = Effect.fnUntraced(function* (spec: ParsedSpec, storage: Storage, listening: Effect.Effect<void>) {
  const state = yield* ComputeState
  yield* tellNeighbours(spec)
  const together = { concurrency: "unbounded", discard: true } as const
  const prepared = yield* Deferred.make<void>()
  const others = Effect.all(
    [awaitCertificates, loadExtensions(spec), resizeHost(spec), shipLogs(spec), listening],
    together
  ).pipe(Effect.andThen(Deferred.succeed(prepared, undefined)))
  yield* Effect.all([prepareDataDirectory(spec, storage, Deferred.await(prepared)), others], together)
  const postgres: RunningPostgres = yield* startPostgres(spec)
  yield* Effect.logInfo("PostgreSQL is now running, continuing to configure it").pipe(
    Effect.annotateLogs({ postmaster_pid: postgres.pid })
  )
  const configuring = spec.spec.mode === "Primary" ? configurePrimary(spec) : Effect.void
  const ended = Effect.andThen(
    postgres.ended,
    Effect.flatMap(postgres.lastWords, (said) =>
      Effect.fail(new StartFailed({ message: `Postgres ended while it was being configured${said}` }))
    )
  )
  const [took] = yield* timedMillis(Effect.raceFirst(phase("configure")(asIs(configuring)), ended))
  yield* state.update(({ metrics }) => ({ metrics: { ...metrics, config_ms: took } }))
  return postgres
})
