/**
 * The metric families of `/metrics`, as data. A family's place here is its place in the exposition; the first fifteen are
 * those of the original.
 *
 * Source: `compute_tools/src/metrics.rs`; exposition format 0.0.4 of Prometheus.
 */
export interface MetricFamily {
  readonly name: string
  readonly type: "counter" | "gauge" | "summary"
  readonly help: string
  readonly labels: ReadonlyArray<string>
  /** A family without labels that is exported as 0 before it is ever touched. */
  readonly fromZero?: true
}

const declared: Array<MetricFamily> = []

export const families: ReadonlyArray<MetricFamily> = declared

const declare = (family: MetricFamily): MetricFamily => {
  declared.push(family)
  return family
}

const family = (
  type: MetricFamily["type"],
  name: string,
  help: string,
  labels: ReadonlyArray<string> = []
): MetricFamily => declare({ name, type, help, labels, ...(labels.length === 0 && { fromZero: true }) })

/** A gauge that is left out while its value is not known. */
const known = (name: string, help: string): MetricFamily => declare({ name, type: "gauge", help, labels: [] })

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

// What follows is not in the original. It comes after its families, and every name but one starts with `compute_ctl_`. A scrape
// is some kilobytes at most: what happens once has its last value, for a rate of it would never be anything; what happens
// at any rate is counted, and the durations of it are summed up. Where a trace has the rest, no buckets are kept.

export const processStart = known("process_start_time_seconds", "When compute_ctl started")
export const statusChanges = family(
  "counter",
  "compute_ctl_status_changes_total",
  "Changes of status, by the new one",
  ["to"]
)
export const stepSeconds = family(
  "gauge",
  "compute_ctl_step_seconds",
  "Last duration of what happens once or seldom, and how it ended",
  ["outcome", "step"]
)
export const basebackupBytes = family(
  "gauge",
  "compute_ctl_basebackup_bytes",
  "Compressed bytes of the last basebackup"
)
export const failedDatabases = family(
  "gauge",
  "compute_ctl_failed_databases",
  "Databases in which the last apply could not work"
)
export const refusedSettings = family(
  "gauge",
  "compute_ctl_refused_settings",
  "Settings that Postgres refused at the last reload, without those that wait for a restart"
)
export const httpRequestSeconds = family(
  "summary",
  "compute_ctl_http_request_seconds",
  "HTTP requests; route is the pattern",
  ["code", "method", "route", "server"]
)
export const httpConnections = family("gauge", "compute_ctl_http_connections", "Open connections of a server", [
  "server"
])
export const httpConnectionsClosed = family(
  "counter",
  "compute_ctl_http_connections_closed_total",
  "Connections closed since they were too many or cost too much",
  ["reason", "server"]
)
export const descriptorShortages = family(
  "counter",
  "compute_ctl_descriptor_shortages_total",
  "Times that file descriptors began to run out"
)
export const childExits = family("counter", "compute_ctl_child_exits_total", "Children that ended, by code or signal", [
  "program",
  "result"
])
export const waitsExpired = family("counter", "compute_ctl_waits_expired_total", "Waits that ran over their deadline", [
  "wait"
])
export const waitingSeconds = family("gauge", "compute_ctl_waiting_seconds", "How long each present wait has lasted", [
  "wait"
])
export const serviceUp = family(
  "gauge",
  "compute_ctl_service_up",
  "0 while a service waits to be restarted, else absent",
  ["service"]
)
export const serviceRestarts = family("counter", "compute_ctl_service_restarts_total", "Restarts of failed services", [
  "service"
])
export const active = family("gauge", "compute_ctl_active", "Reasons to count as active now, by kind", ["kind"])
export const lastActivity = family(
  "gauge",
  "compute_ctl_last_activity_timestamp_seconds",
  "When activity of a kind was last seen",
  ["kind"]
)
export const monitorChecks = family("counter", "compute_ctl_monitor_checks_total", "Looks whether Postgres answers", [
  "outcome"
])
export const lsnLeaseExpiry = known(
  "compute_ctl_lsn_lease_expiry_timestamp_seconds",
  "When the lease of a static compute's LSN ends"
)
export const lsnLeaseRequests = family(
  "counter",
  "compute_ctl_lsn_lease_requests_total",
  "Requests for leases of a static compute's LSN",
  ["outcome"]
)
export const neighbourConfigured = family(
  "gauge",
  "compute_ctl_neighbour_configured",
  "0 while a program beside Postgres could not be given its settings",
  ["neighbour"]
)
export const vmMonitorRequests = family(
  "counter",
  "compute_ctl_vm_monitor_requests_total",
  "Messages of the autoscaling agent; requests to upscale are ours",
  ["outcome", "type"]
)
export const cgroupMemory = family(
  "gauge",
  "compute_ctl_cgroup_memory_bytes",
  "Anonymous memory of Postgres' cgroup: last average, and the threshold above which more is asked for",
  ["kind"]
)
export const logLinesDropped = family("counter", "compute_ctl_log_lines_dropped_total", "Log lines that were lost")
export const uncaughtErrors = family("counter", "compute_ctl_uncaught_errors_total", "Errors that nobody caught")
export const residentMemory = known("compute_ctl_resident_memory_bytes", "Memory of compute_ctl without Postgres")
