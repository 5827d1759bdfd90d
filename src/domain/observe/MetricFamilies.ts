/**
 * The metric families of `/metrics`, as data. A family's order here is its order in the exposition.
 *
 * Source: `compute_tools/src/metrics.rs`; exposition format 0.0.4 of Prometheus.
 */
export interface MetricFamily {
  readonly name: string
  readonly type: "counter" | "gauge" | "histogram"
  readonly help: string
  readonly labels: ReadonlyArray<string>
  /** A family without labels that is exported as 0 before it is ever touched. */
  readonly fromZero?: true
  /** Upper bounds of a histogram's buckets, in the family's unit. */
  readonly buckets?: ReadonlyArray<number>
}

const family = (
  type: MetricFamily["type"],
  name: string,
  help: string,
  labels: ReadonlyArray<string> = [],
  more: Pick<MetricFamily, "buckets"> = {}
): MetricFamily => ({ name, type, help, labels, ...(labels.length === 0 && { fromZero: true }), ...more })

/** A gauge that is left out while its value is not known. */
const known = (name: string, help: string): MetricFamily => ({ name, type: "gauge", help, labels: [] })

export const computeCtlUp = family("gauge", "compute_ctl_up", "Whether compute_ctl is up, by its status", [
  "build_tag",
  "status"
])
export const installedExtensions = family(
  "gauge",
  "compute_installed_extensions",
  "Databases in which an extension is installed, by version and ownership",
  ["extension_name", "owned_by_superuser", "version"]
)
export const cplaneRequests = family(
  "counter",
  "compute_ctl_cplane_requests_total",
  "Requests to the control plane, by outcome",
  ["http_status", "rpc"]
)
export const remoteExtRequests = family(
  "counter",
  "compute_ctl_remote_ext_requests_total",
  "Requests for extension archives, by outcome",
  ["filename", "http_status"]
)
export const dbMigrationFailed = family(
  "counter",
  "compute_ctl_db_migration_failed_total",
  "Database migrations that failed",
  ["migration_id"]
)
export const auditLogDirSize = family("gauge", "compute_audit_log_dir_size", "Bytes of audit log files")
export const pgCurrentDowntime = family(
  "gauge",
  "compute_pg_current_downtime_ms",
  "Milliseconds since Postgres was last seen up; 0 while it is up"
)
export const pgDowntimeTotal = family(
  "counter",
  "compute_pg_downtime_ms_total",
  "Milliseconds during which Postgres was seen down"
)
export const lfcPrewarms = family("counter", "compute_ctl_lfc_prewarms_total", "Prewarms of the local file cache begun")
export const lfcPrewarmErrors = family(
  "counter",
  "compute_ctl_lfc_prewarm_errors_total",
  "Prewarms of the local file cache that failed"
)
export const lfcOffloads = family("counter", "compute_ctl_lfc_offloads_total", "Offloads of the local file cache begun")
export const lfcOffloadErrors = family(
  "counter",
  "compute_ctl_lfc_offload_errors_total",
  "Offloads of the local file cache that failed"
)
export const pagestreamErrors = family(
  "counter",
  "pg_cctl_pagestream_request_errors_total",
  "Requests by Postgres to refresh the configuration"
)
export const configureStatementTimeouts = family(
  "counter",
  "pg_cctl_configure_statement_timeout_errors_total",
  "Statements of a configuration that timed out"
)
export const attached = family("gauge", "pg_cctl_attached", "Whether a tenant is attached to this compute", [
  "pg_compute_id",
  "pg_instance_id",
  "tenant_id",
  "timeline_id"
])

/** Seconds, from a millisecond to five minutes. */
const durations = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

// What follows is not in the original. It comes after its families, and every name starts with `compute_ctl_`.

export const statusChanges = family("counter", "compute_ctl_status_changes_total", "Changes of the compute's status", [
  "from",
  "to"
])
export const startPhaseSeconds = family(
  "histogram",
  "compute_ctl_start_phase_seconds",
  "Durations of the phases of a start, by outcome",
  ["outcome", "phase"],
  { buckets: durations }
)
export const applySeconds = family(
  "histogram",
  "compute_ctl_apply_seconds",
  "Durations of applying a spec to the catalog; phase is start or reconfigure",
  ["outcome", "phase"],
  { buckets: durations }
)
export const failedDatabases = family(
  "gauge",
  "compute_ctl_failed_databases",
  "Databases in which the last apply could not do its work; the next one tries again"
)
export const refusedSettings = family(
  "gauge",
  "compute_ctl_refused_settings",
  "Settings of the configuration files that Postgres refused at the last reload; those that wait for a restart are not counted"
)
export const reconfigureSeconds = family(
  "histogram",
  "compute_ctl_reconfigure_seconds",
  "Durations of whole reconfigurations, by outcome",
  ["outcome"],
  { buckets: durations }
)
export const syncSeconds = family(
  "histogram",
  "compute_ctl_safekeepers_sync_seconds",
  "Durations of finding the LSN at which the safekeepers are in sync; kind is check, full or final",
  ["kind", "outcome"],
  { buckets: durations }
)
export const basebackupSeconds = family(
  "histogram",
  "compute_ctl_basebackup_seconds",
  "Durations of single tries to receive and unpack a basebackup",
  ["outcome"],
  { buckets: durations }
)
export const basebackupBytes = family(
  "counter",
  "compute_ctl_basebackup_bytes_total",
  "Compressed bytes of basebackups received"
)
export const httpRequestSeconds = family(
  "histogram",
  "compute_ctl_http_request_seconds",
  "Durations of HTTP requests; route is the pattern, never the path",
  ["code", "method", "route", "server"],
  { buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60] }
)
export const httpConnections = family("gauge", "compute_ctl_http_connections", "Open connections of a server", [
  "server"
])
export const httpConnectionsClosed = family(
  "counter",
  "compute_ctl_http_connections_closed_total",
  "Connections that a server closed because it had too many, or because they cost too much, by reason",
  ["reason", "server"]
)
export const descriptorShortages = family(
  "counter",
  "compute_ctl_descriptor_shortages_total",
  "Times that the process began to run out of file descriptors"
)
export const childExits = family(
  "counter",
  "compute_ctl_child_exits_total",
  "Child processes that ended; result is the exit code or the signal",
  ["program", "result"]
)
export const waitsExpired = family(
  "counter",
  "compute_ctl_waits_expired_total",
  "Waits that ran over their deadline, by name",
  ["wait"]
)
export const waitingSeconds = family(
  "gauge",
  "compute_ctl_waiting_seconds",
  "How long the compute has been waiting for what it waits for now",
  ["wait"]
)
export const serviceUp = family(
  "gauge",
  "compute_ctl_service_up",
  "Whether a background service runs; 0 while it waits to be restarted",
  ["service"]
)
export const serviceRestarts = family(
  "counter",
  "compute_ctl_service_restarts_total",
  "Restarts of background services that failed",
  ["service"]
)
export const active = family(
  "gauge",
  "compute_ctl_active",
  "Number of reasons of a kind for which the compute counts as active now",
  ["kind"]
)
export const lastActivity = family(
  "gauge",
  "compute_ctl_last_activity_timestamp_seconds",
  "When activity of a kind was last seen",
  ["kind"]
)
export const monitorChecks = family(
  "counter",
  "compute_ctl_monitor_checks_total",
  "Checks of Postgres by the activity monitor, by outcome",
  ["outcome"]
)
export const lsnLeaseExpiry = known(
  "compute_ctl_lsn_lease_expiry_timestamp_seconds",
  "When the lease of a static compute's LSN ends"
)
export const neighbourFailures = family(
  "counter",
  "compute_ctl_neighbour_failures_total",
  "Times that a program beside Postgres could not be given what the spec says, by name",
  ["neighbour"]
)
export const lsnLeaseRequests = family(
  "counter",
  "compute_ctl_lsn_lease_requests_total",
  "Requests for leases of a static compute's LSN, by outcome",
  ["outcome"]
)
export const vmMonitorRequests = family(
  "counter",
  "compute_ctl_vm_monitor_requests_total",
  "Messages exchanged with the autoscaling agent; upscale requests are ours, the others the agent's",
  ["outcome", "type"]
)
export const cgroupMemory = family(
  "gauge",
  "compute_ctl_cgroup_memory_bytes",
  "Anonymous memory of Postgres' cgroup: last average, and the threshold above which more is asked for",
  ["kind"]
)
export const logLinesDropped = family(
  "counter",
  "compute_ctl_log_lines_dropped_total",
  "Log lines that could not be written"
)
export const uncaughtErrors = family(
  "counter",
  "compute_ctl_uncaught_errors_total",
  "Errors that nobody caught; the first one ends the compute"
)
export const residentMemory = known(
  "compute_ctl_resident_memory_bytes",
  "Resident memory of compute_ctl itself, without Postgres"
)

/** The families of the original, in its order. */
export const originals: ReadonlyArray<MetricFamily> = [
  computeCtlUp,
  installedExtensions,
  cplaneRequests,
  remoteExtRequests,
  dbMigrationFailed,
  auditLogDirSize,
  pgCurrentDowntime,
  pgDowntimeTotal,
  lfcPrewarms,
  lfcPrewarmErrors,
  lfcOffloads,
  lfcOffloadErrors,
  pagestreamErrors,
  configureStatementTimeouts,
  attached
]

/** Exposition order. */
export const families: ReadonlyArray<MetricFamily> = [
  ...originals,
  statusChanges,
  startPhaseSeconds,
  applySeconds,
  failedDatabases,
  refusedSettings,
  reconfigureSeconds,
  syncSeconds,
  basebackupSeconds,
  basebackupBytes,
  httpRequestSeconds,
  httpConnections,
  httpConnectionsClosed,
  descriptorShortages,
  childExits,
  waitsExpired,
  waitingSeconds,
  serviceUp,
  serviceRestarts,
  active,
  lastActivity,
  monitorChecks,
  lsnLeaseExpiry,
  lsnLeaseRequests,
  neighbourFailures,
  vmMonitorRequests,
  cgroupMemory,
  logLinesDropped,
  uncaughtErrors,
  residentMemory
]
