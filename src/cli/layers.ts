/**
 * The graph of services, built once: what does not need the configuration, and what does.
 */
import * as Layer from "effect/Layer"
import { Account } from "../layers/Account.ts"
import { Catalog } from "../layers/Catalog.ts"
import { Certificates } from "../layers/Certificates.ts"
import { Children } from "../layers/Child.ts"
import { ComputeState } from "../layers/ComputeState.ts"
import { CoreDumps } from "../layers/CoreDumps.ts"
import { DataDirectory } from "../layers/DataDirectory.ts"
import { layerDescriptors } from "../layers/Descriptors.ts"
import { DiskQuota } from "../layers/DiskQuota.ts"
import { EndpointStorage } from "../layers/EndpointStorage.ts"
import { Extensions } from "../layers/Extensions.ts"
import { LocalProxy } from "../layers/LocalProxy.ts"
import { Metrics } from "../layers/Metrics.ts"
import { Monitor } from "../layers/Monitor.ts"
import { Pageserver } from "../layers/Pageserver.ts"
import { PgBouncer } from "../layers/PgBouncer.ts"
import { PostgresExporter } from "../layers/PostgresExporter.ts"
import { Postmaster } from "../layers/Postmaster.ts"
import { Rsyslog } from "../layers/Rsyslog.ts"
import { Safekeepers } from "../layers/Safekeepers.ts"
import { Services } from "../layers/Services.ts"
import { Sql } from "../layers/Sql.ts"
import { stateMetrics } from "../layers/StateMetrics.ts"
import { Swap } from "../layers/Swap.ts"
import { VmInformant } from "../layers/VmInformant.ts"
import { VmMonitor } from "../layers/VmMonitor.ts"
import { Waits } from "../layers/Waits.ts"
import { Offloading } from "../programs/offload.ts"
import { Prewarming } from "../programs/prewarm.ts"
import { Promotion } from "../programs/promote.ts"
import { Reconfiguration } from "../programs/reconfigure.ts"
import { Refresh } from "../programs/refresh.ts"

/** Needs the options and the log only. */
export const machine = Postmaster.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Waits.layer, Account.layer, layerDescriptors)),
  Layer.provideMerge(Children.layerCounted),
  Layer.provideMerge(Metrics.layer)
)

const storage = Layer.mergeAll(Safekeepers.layer, Pageserver.layer, EndpointStorage.layer)

const companions = Layer.mergeAll(
  Extensions.layer,
  PgBouncer.layer,
  LocalProxy.layer,
  Rsyslog.layer,
  Swap.layer,
  DiskQuota.layer,
  CoreDumps.layer,
  VmInformant.layer,
  VmMonitor.layer
)

/** Needs the machine's part of the configuration too: keys and TLS paths. */
export const compute = Layer.mergeAll(Promotion.layer, Refresh.layer, PostgresExporter.layer).pipe(
  Layer.provideMerge(
    Layer.mergeAll(Reconfiguration.layer, Prewarming.layer, Offloading.layer, Monitor.layer, stateMetrics)
  ),
  Layer.provideMerge(Layer.mergeAll(Catalog.layer, companions)),
  Layer.provideMerge(Layer.mergeAll(storage, DataDirectory.layer, Sql.layer)),
  Layer.provideMerge(Layer.mergeAll(Certificates.layer, Services.layer, ComputeState.layer))
)
