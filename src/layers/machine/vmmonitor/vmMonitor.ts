/**
 * The autoscaling agent's partner inside the virtual machine: says when Postgres needs more memory, whether it can do with
 * less, and sizes the local file cache accordingly.
 *
 * Source: `libs/vm_monitor`.
 */
import * as Effect from "effect/Effect"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { Options } from "../../compute/Options.ts"
import { Places } from "../Places.ts"

/** Serves the agent. A service loop: it ends only by failure. What does it is loaded where there is a virtual machine. */
export const serveVmMonitor = Effect.fnUntraced(function* (spec: ParsedSpec) {
  const { cgroup, filecacheConnstr, vmMonitorAddr } = yield* Options
  const { cgroups, memory } = yield* Places
  const { serve } = yield* Effect.promise(() => import("./serve.ts"))
  yield* serve({
    cgroupRoot: cgroups,
    memory,
    cgroup: cgroup === "" ? null : cgroup,
    connstr: spec.spec.disable_lfc_resizing === true ? null : filecacheConnstr,
    address: vmMonitorAddr
  })
})
