/**
 * The graph of services, built once: what does not need the configuration, and what does.
 */
import * as Layer from "effect/Layer"
import { Catalog } from "../layers/catalog/Catalog.ts"
import { ComputeState } from "../layers/compute/ComputeState.ts"
import { History } from "../layers/compute/History.ts"
import { Supervisor } from "../layers/compute/Supervisor.ts"
import { Waits } from "../layers/compute/Waits.ts"
import { Extensions } from "../layers/extensions/Extensions.ts"
import { Account } from "../layers/machine/Account.ts"
import { Children } from "../layers/machine/child/Children.ts"
import { layerDescriptors } from "../layers/machine/process/Descriptors.ts"
import { layerMemory } from "../layers/machine/process/Memory.ts"
import { Certificates } from "../layers/neighbours/Certificates.ts"
import { PostgresExporter } from "../layers/neighbours/exporter/PostgresExporter.ts"
import { LocalProxy } from "../layers/neighbours/LocalProxy.ts"
import { PgBouncer } from "../layers/neighbours/PgBouncer.ts"
import { Rsyslog } from "../layers/neighbours/Rsyslog.ts"
import { Metrics } from "../layers/observe/Metrics.ts"
import { Monitor } from "../layers/observe/Monitor.ts"
import { stateMetrics } from "../layers/observe/StateMetrics.ts"
import { DataDirectory } from "../layers/postgres/dataDirectory/DataDirectory.ts"
import { Postmaster } from "../layers/postgres/Postmaster.ts"
import { Sql } from "../layers/sql/Sql.ts"
import { EndpointStorage } from "../layers/storage/endpointStorage/EndpointStorage.ts"
import { Pageserver } from "../layers/storage/pageserver/Pageserver.ts"
import { Safekeepers } from "../layers/storage/safekeepers/Safekeepers.ts"
import { Offloading } from "../programs/run/background/offload.ts"
import { Prewarming } from "../programs/run/background/prewarm.ts"
import { Promotion } from "../programs/run/background/promote.ts"
import { Reconfiguration } from "../programs/run/reconfigure.ts"
import { Refresh } from "../programs/run/refresh.ts"

/** Needs the options and the log only. */
export const machine = Postmaster.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Waits.layer, Account.layer, layerDescriptors)),
  Layer.provideMerge(Children.layerCounted),
  Layer.provideMerge(Layer.merge(Metrics.layer, History.layer))
)

const storage = Layer.mergeAll(Safekeepers.layer, Pageserver.layer, EndpointStorage.layer)

const companions = Layer.mergeAll(Extensions.layer, PgBouncer.layer, LocalProxy.layer, Rsyslog.layer)

/** Needs the machine's part of the configuration too: keys and TLS paths. */
export const compute = Layer.mergeAll(Promotion.layer, Refresh.layer, PostgresExporter.layer, layerMemory).pipe(
  Layer.provideMerge(
    Layer.mergeAll(Reconfiguration.layer, Prewarming.layer, Offloading.layer, Monitor.layer, stateMetrics)
  ),
  Layer.provideMerge(Layer.mergeAll(Catalog.layer, companions)),
  Layer.provideMerge(Layer.mergeAll(storage, DataDirectory.layer, Sql.layer)),
  Layer.provideMerge(Layer.mergeAll(Certificates.layer, Supervisor.layer, ComputeState.layer))
)
