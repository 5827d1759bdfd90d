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
import { Places } from "../Places.ts"
import { VmMonitorFailed } from "./errors.ts"

export { VmMonitorFailed }

export class VmMonitor extends Context.Service<
  VmMonitor,
  {
    /** Serves the agent. A service loop: it ends only by failure. */
    readonly serve: (spec: ParsedSpec) => Effect.Effect<void, VmMonitorFailed>
  }
>()("compute/VmMonitor") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { cgroup, filecacheConnstr, vmMonitorAddr } = yield* Options
      const { cgroups, memory } = yield* Places
      const metrics = yield* Metrics
      const sql = yield* Sql
      return VmMonitor.of({
        serve: (spec) =>
          Effect.flatMap(loadServe, ({ serve }) =>
            serve({
              cgroupRoot: cgroups,
              memory,
              cgroup: cgroup === "" ? null : cgroup,
              connstr: spec.spec.disable_lfc_resizing === true ? null : filecacheConnstr,
              address: vmMonitorAddr
            })
          ).pipe(Effect.provideService(Metrics, metrics), Effect.provideService(Sql, sql))
      })
    })
  )
}

const loadServe = Effect.promise(() => import("./serve.ts"))
