/**
 * Which services run beside Postgres, and from when on. Those that follow the spec idle while it does not ask for them.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { ParsedSpec } from "../domain/ParsedSpec.ts"
import { Catalog } from "../layers/Catalog.ts"
import { ComputeState } from "../layers/ComputeState.ts"
import { Monitor } from "../layers/Monitor.ts"
import { MachineConfig, Options } from "../layers/Options.ts"
import { Services } from "../layers/Services.ts"
import { VmInformant } from "../layers/VmInformant.ts"
import { VmMonitor } from "../layers/VmMonitor.ts"
import { watchCertificates } from "./certificates.ts"
import { configurator } from "./configurator.ts"
import { attachedGauge, initWatchdog } from "./lakebase.ts"
import { keepLease } from "./lease.ts"
import { offloadPeriodically } from "./offload.ts"
import { autoprewarm } from "./prewarm.ts"

/** What must see the compute before it is running. */
export const beforePostgres = Effect.gen(function* () {
  const services = yield* Services
  const monitor = yield* Monitor
  const informant = yield* VmInformant
  const machine = yield* MachineConfig
  const options = yield* Options
  yield* services.run("configurator", configurator)
  yield* services.run("activity monitor", monitor.poll)
  yield* services.run("LSN lease", keepLease)
  yield* services.run("vm-informant", informant.serve)
  if (machine.tls !== null) yield* services.run("certificate watch", watchCertificates)
  if (options.lakebaseMode) {
    yield* attachedGauge
    yield* services.run("start watchdog", initWatchdog)
  }
})

/** Twice the interval, as the collection has always been; a spec's suspend timeout takes the flag's place. */
const collectExtensions = Effect.gen(function* () {
  const options = yield* Options
  const catalog = yield* Catalog
  const monitor = yield* Monitor
  const state = yield* ComputeState
  const { spec } = yield* state.get
  const suspend = spec?.spec.suspend_timeout_seconds ?? 0
  const interval = suspend > 0 ? suspend : options.installedExtensionsInterval
  yield* monitor.disregard(catalog.installedExtensions)
  yield* Effect.sleep(Duration.seconds(2 * interval))
}).pipe(Effect.forever)

/** What begins once the status is `running`. */
export const whenRunning = (spec: ParsedSpec) =>
  Effect.gen(function* () {
    const services = yield* Services
    const options = yield* Options
    yield* services.run("installed extensions", collectExtensions)
    yield* services.run("LFC offload", offloadPeriodically)
    if (spec.spec.autoprewarm) yield* services.run("LFC prewarm", autoprewarm)
    if (options.isVm) {
      const vmMonitor = yield* VmMonitor
      yield* services.run("vm-monitor", vmMonitor.serve(spec))
    }
  })
