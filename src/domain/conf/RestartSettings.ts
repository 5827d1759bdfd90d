/**
 * Settings that only a start of the server takes: those of context `postmaster`.
 *
 * Source: `postgres --describe-config` of PostgreSQL 14 to 17; for `neon.*` the extension's `libpagestore.c` and
 * `file_cache.c`.
 */
const OF_POSTGRES = `
archive_mode autovacuum_freeze_max_age autovacuum_max_workers autovacuum_multixact_freeze_max_age bonjour bonjour_name
cluster_name commit_timestamp_buffers config_file data_directory data_sync_retry dynamic_shared_memory_type event_source
external_pid_file hba_file hot_standby huge_page_size huge_pages ident_file jit_provider listen_addresses
logging_collector max_connections max_files_per_process max_locks_per_transaction max_logical_replication_workers
max_notify_queue_pages max_pred_locks_per_transaction max_prepared_transactions max_replication_slots max_wal_senders
max_worker_processes min_dynamic_shared_memory multixact_member_buffers multixact_offset_buffers notify_buffers
old_snapshot_threshold port recovery_target recovery_target_action recovery_target_inclusive recovery_target_lsn
recovery_target_name recovery_target_time recovery_target_timeline recovery_target_xid reserved_connections
serializable_buffers shared_buffers shared_memory_type shared_preload_libraries subtransaction_buffers
superuser_reserved_connections track_activity_query_size track_commit_timestamp transaction_buffers
unix_socket_directories unix_socket_group unix_socket_permissions wal_buffers wal_decode_buffer_size wal_level
wal_log_hints`

const OF_NEON = `
neon.tenant_id neon.timeline_id neon.branch_id neon.project_id neon.endpoint_id neon.max_file_cache_size
neon.file_cache_path neon.file_cache_chunk_size`

/** `extension`: one of an extension that is not known here; which it is, the extension says. */
export type TakenBy = "reload" | "restart" | "extension"

export const takenBy = (name: string): TakenBy => {
  const needsRestart = `${OF_POSTGRES} ${OF_NEON} `.replaceAll("\n", " ").includes(` ${name} `)
  if (needsRestart) return "restart"
  return name.includes(".") && !name.startsWith("neon.") ? "extension" : "reload"
}

/** A name, white space or `=`, and a value; what follows a `#` outside of quotes is a comment. */
const LINE = /^\s*([A-Za-z_][\w.$]*)(?:\s*=\s*|\s+)('(?:[^']|'')*'|[^\s#']+)/

/** What a `postgresql.conf` sets: the last line of a name counts. Names as Postgres compares them, values without quotes. */
export const settingsOf = (conf: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const line of conf.split("\n")) {
    const [, name, value] = LINE.exec(line) ?? []
    if (name === undefined || value === undefined || /^include(?:_dir|_if_exists)?$/i.test(name)) continue
    found.set(name.toLowerCase(), value.startsWith("'") ? value.slice(1, -1).replaceAll("''", "'") : value)
  }
  return found
}
