/**
 * What runs beside the compute in lakebase mode, and nowhere else.
 *
 * Source: `compute_tools/src/bin/compute_ctl.rs`, `compute_tools/src/compute.rs`.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { attached } from "../../domain/observe/MetricFamilies.ts"
import { attachedLabels, livenessTarget } from "../../domain/spec/Lakebase.ts"
import { isTerminating } from "../../domain/status/ComputeStatus.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { Options } from "../../layers/compute/Options.ts"
import { StopRequests } from "../../layers/compute/stop/StopRequests.ts"
import { Log } from "../../layers/observe/log/Log.ts"
import { Metrics } from "../../layers/observe/Metrics.ts"
import { defaultServer, ping } from "../../layers/observe/ServerPing.ts"
import { Sql } from "../../layers/sql/Sql.ts"

/**
 * Asks to stop when the compute is not running in time, counted from the begin of its start: a spec that makes it hang
 * would otherwise hold it for ever, while the next life fetches a new one. Ends when the compute runs or is stopping.
 */
export const initWatchdog = Effect.gen(function* () {
  const options = yield* Options
  if (!options.lakebaseMode) return
  const state = yield* ComputeState
  const stops = yield* StopRequests
  const settled = state.await(({ status }) => status === "running" || isTerminating(status))
  const inTime = yield* settled.pipe(Effect.timeoutOption(Duration.seconds(options.pgInitTimeout)))
  if (inTime._tag === "Some") return
  yield* Effect.logError(`compute did not enter Running state in ${options.pgInitTimeout} seconds, exiting`)
  yield* stops.request({ _tag: "InitTimeout" })
})

/** Whose compute this is stands in the daily log files as soon as there is a spec. */
export const signLog = Effect.gen(function* () {
  const { computeId, instanceId, lakebaseMode } = yield* Options
  if (!lakebaseMode) return
  const log = yield* Log
  yield* log.identify({ instanceId: instanceId ?? "", computeId })
})

/** `pg_cctl_attached`, for as long as the scope is open. */
export const attachedGauge = Effect.gen(function* () {
  const options = yield* Options
  const state = yield* ComputeState
  const metrics = yield* Metrics
  if (!options.lakebaseMode) return
  yield* metrics.gauge(
    attached,
    Effect.map(state.get, ({ spec }) => {
      const labels = attachedLabels(options, spec)
      return labels === null ? [] : [{ labels, value: 1 }]
    })
  )
})

/** Postgres does not accept connections where its own tools look for it. */
export class NotAlive extends Data.TaggedError("NotAlive")<{ readonly message: string }> {}

/**
 * What `pg_isready` with nothing but the port would say, without running it. A Postgres that has its sockets elsewhere, or
 * none, is asked at the port on loopback.
 */
export const livenessProbe = Effect.gen(function* () {
  const options = yield* Options
  const target = livenessTarget(options.connstr)
  if (target === null) {
    return yield* new NotAlive({ message: "Failed to get the port from the connection string" })
  }
  const command = `${options.pgbin.slice(0, options.pgbin.lastIndexOf("/") + 1)}pg_isready --port ${target.port}`
  const { options: sessionOptions } = yield* Effect.flatMap(Sql, (sql) =>
    sql.target({ applicationName: "liveness" })
  ).pipe(Effect.mapError(({ message }) => new NotAlive({ message })))
  const asked = { ...target, options: sessionOptions }
  yield* ping({ ...asked, ...defaultServer(options.pgbin, target.port) }).pipe(
    Effect.catchIf(
      ({ isAbsent }) => isAbsent === true,
      (absent) => Effect.mapError(ping({ ...asked, server: { host: "127.0.0.1", port: target.port } }), () => absent)
    ),
    Effect.mapError((error) => new NotAlive({ message: `could not run \`${command}\`: ${error.message}` }))
  )
})
