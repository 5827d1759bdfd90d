/**
 * The autoscaling agent's partner inside the virtual machine: says when Postgres needs more memory, whether it can do with
 * less, and sizes the local file cache accordingly.
 *
 * Source: `libs/vm_monitor`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { Options } from "../../compute/Options.ts"
import { Metrics } from "../../observe/Metrics.ts"
import { Sql } from "../../sql/Sql.ts"
import { VmMonitorFailed } from "./VmMonitorFailed.ts"

export { VmMonitorFailed }

export class VmMonitor extends Context.Service<
  VmMonitor,
  {
    /** Serves the agent. A service loop: it ends only by failure. */
    readonly serve: (spec: ParsedSpec) => Effect.Effect<void, VmMonitorFailed>
  }
>()("compute/VmMonitor") {
  /** `cgroupRoot` is where the kernel shows its control groups; `memory` tells the bytes of the whole machine. */
  static readonly layerAt = (machine: { readonly cgroupRoot: string; readonly memory?: () => number }) =>
    Layer.effect(
      this,
      Effect.gen(function* () {
        const { cgroup, filecacheConnstr, vmMonitorAddr } = yield* Options
        const metrics = yield* Metrics
        const sql = yield* Sql
        return VmMonitor.of({
          serve: (spec) =>
            Effect.flatMap(loadServe, ({ serve }) =>
              serve({
                ...machine,
                cgroup: cgroup === "" ? null : cgroup,
                connstr: spec.spec.disable_lfc_resizing === true ? null : filecacheConnstr,
                address: vmMonitorAddr
              })
            ).pipe(Effect.provideService(Metrics, metrics), Effect.provideService(Sql, sql))
        })
      })
    )

  static readonly layer = this.layerAt({ cgroupRoot: "/sys/fs/cgroup" })
}

const loadServe = Effect.promise(() => import("./serve.ts"))
