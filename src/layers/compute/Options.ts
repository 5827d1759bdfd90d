/**
 * The process's own settings: command line and environment, read once.
 */
import * as Context from "effect/Context"
import type * as Redacted from "effect/Redacted"
import type { ComputeCtlConfig } from "../../domain/spec/ComputeConfig.ts"

export interface ComputeOptions {
  /** Path of the `postgres` binary; its neighbours (`pg_config`, `pg_dump`, `initdb`) are found beside it. */
  readonly pgbin: string
  readonly pgdata: string
  /** Connection URI for our own sessions. */
  readonly connstr: string
  readonly computeId: string
  readonly configPath: string | null
  readonly controlPlaneUri: string | null
  readonly controlPlaneToken: Redacted.Redacted<string>
  readonly remoteExtBaseUrl: string | null
  readonly externalHttpPort: number
  readonly internalHttpPort: number
  /** The internal server's addresses: loopback of both families unless widened. */
  readonly internalHttpHosts: ReadonlyArray<string>
  readonly privilegedRole: string
  readonly cgroup: string
  readonly filecacheConnstr: string
  readonly vmMonitorAddr: string
  readonly resizeSwapOnBind: boolean
  /** Mount point of the file system that gets the quota. */
  readonly setDiskQuotaForFs: string | null
  /** Seconds; the real period is twice this. */
  readonly installedExtensionsInterval: number
  readonly dev: boolean
  readonly lakebaseMode: boolean
  /** Seconds. */
  readonly pgInitTimeout: number
  readonly logFormat: "text" | "json"
  /** `AUTOSCALING` is present: Postgres goes into a cgroup, vm-monitor runs, VM paths apply. */
  readonly isVm: boolean
  readonly instanceId: string | null
  readonly buildTag: string
  /** `/autoscaling_metrics` is answered from SQL when Postgres does not serve it. Default: no. */
  readonly autoscalingMetricsFromSql?: boolean
}

export class Options extends Context.Service<Options, ComputeOptions>()("compute/Options") {}

/** `compute_ctl_config` as the process found it at start: keys and TLS paths. */
export class MachineConfig extends Context.Service<MachineConfig, ComputeCtlConfig>()("compute/MachineConfig") {}
