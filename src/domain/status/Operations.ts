/**
 * Results of the operations on a running compute, in the form the API shows them (tag `status`).
 *
 * Source: `libs/compute_api/src/responses.rs`.
 */
export type LfcPrewarmState =
  | { readonly status: "not_prewarmed" | "prewarming" | "skipped" | "cancelled" }
  | {
      readonly status: "completed"
      /** Pages. */
      readonly total: number
      readonly prewarmed: number
      readonly skipped: number
      readonly state_download_time_ms: number
      readonly uncompress_time_ms: number
      readonly prewarm_time_ms: number
    }
  | { readonly status: "failed"; readonly error: string }

export type LfcOffloadState =
  | { readonly status: "not_offloaded" | "offloading" | "skipped" }
  | {
      readonly status: "completed"
      readonly state_query_time_ms: number
      readonly compress_time_ms: number
      readonly state_upload_time_ms: number
    }
  | { readonly status: "failed"; readonly error: string }

export type PromoteState =
  | { readonly status: "not_promoted" }
  | {
      readonly status: "completed"
      readonly lsn_wait_time_ms: number
      readonly pg_promote_time_ms: number
      readonly reconfigure_time_ms: number
    }
  | { readonly status: "failed"; readonly error: string }
