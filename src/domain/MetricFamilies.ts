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
  more: Partial<MetricFamily> = {}
): MetricFamily => ({ name, type, help, labels, ...(labels.length === 0 && { fromZero: true }), ...more })

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
export const waitsExpired = family(
  "counter",
  "compute_ctl_waits_expired_total",
  "Waits that ran over their deadline, by name",
  ["wait"]
)

/** Exposition order. */
export const families: ReadonlyArray<MetricFamily> = [
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
  attached,
  waitsExpired
]
