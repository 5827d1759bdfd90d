/**
 * Which services run beside Postgres, and from when on. Those that follow the spec idle while it does not ask for them.
 */
import * as Effect from "effect/Effect"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { MachineConfig, Options } from "../../layers/compute/Options.ts"
import { Supervisor } from "../../layers/compute/Supervisor.ts"
import { serveVmInformant } from "../../layers/machine/vm/vmInformant.ts"
import { serveVmMonitor } from "../../layers/machine/vmmonitor/vmMonitor.ts"
import { Monitor } from "../../layers/observe/Monitor.ts"
import { watchCertificates } from "../run/background/certificates.ts"
import { collectInstalledExtensions } from "../run/background/installedExtensions.ts"
import { keepLease } from "../run/background/lease.ts"
import { offloadPeriodically } from "../run/background/offload.ts"
import { autoprewarm } from "../run/background/prewarm.ts"
import { configurator } from "../run/configurator.ts"
import { attachedGauge, initWatchdog } from "./lakebase.ts"

/** What must see the compute before it is running. */
export const beforePostgres = Effect.gen(function* () {
  const services = yield* Supervisor
  const monitor = yield* Monitor
  const machine = yield* MachineConfig
  const options = yield* Options
  yield* services.run("configurator", configurator)
  yield* services.run("activity monitor", monitor.poll)
  yield* services.run("LSN lease", keepLease)
  yield* services.run("vm-informant", serveVmInformant)
  if (machine.tls !== null) yield* services.run("certificate watch", watchCertificates)
  if (options.lakebaseMode) {
    yield* attachedGauge
    yield* services.run("start watchdog", initWatchdog)
  }
})

/** What begins once the status is `running`. */
export const whenRunning = Effect.fnUntraced(function* (spec: ParsedSpec) {
  const services = yield* Supervisor
  const options = yield* Options
  yield* services.run("installed extensions", collectInstalledExtensions(spec))
  yield* services.run("LFC offload", offloadPeriodically)
  if (spec.spec.autoprewarm) yield* services.run("LFC prewarm", autoprewarm)
  if (options.isVm) yield* services.run("vm-monitor", serveVmMonitor(spec))
})
