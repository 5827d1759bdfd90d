/**
 * What a start took; the members and their order are those of `/metrics.json`.
 *
 * Source: `libs/compute_api/src/responses.rs` (`ComputeMetrics`).
 */
import * as Record from "effect/Record"
import * as Schema from "effect/Schema"

export const StartupMetrics = Schema.Struct({
  wait_for_spec_ms: Schema.Finite,
  sync_sk_check_ms: Schema.Finite,
  sync_safekeepers_ms: Schema.Finite,
  pageserver_connect_micros: Schema.Finite,
  basebackup_ms: Schema.Finite,
  basebackup_bytes: Schema.Finite,
  start_postgres_ms: Schema.Finite,
  config_ms: Schema.Finite,
  total_startup_ms: Schema.Finite,
  load_ext_ms: Schema.Finite,
  num_ext_downloaded: Schema.Finite,
  largest_ext_size: Schema.Finite,
  total_ext_download_size: Schema.Finite
}).annotate({ identifier: "StartupMetrics" })
export type StartupMetrics = typeof StartupMetrics.Type

export const zero: StartupMetrics = Record.map(StartupMetrics.fields, () => 0)
