/**
 * Results of the operations on a running compute, in the form the API shows them (tag `status`).
 *
 * Source: `libs/compute_api/src/responses.rs`.
 */
import * as Schema from "effect/Schema"

const failed = Schema.Struct({ status: Schema.Literal("failed"), error: Schema.String })
const FailedOperation = failed.annotate({ identifier: "FailedOperation" })

export const PrewarmState = Schema.Union([
  Schema.Struct({ status: Schema.Literals(["not_prewarmed", "prewarming", "skipped", "cancelled"]) }),
  Schema.Struct({
    status: Schema.Literal("completed"),
    /** Pages. */
    total: Schema.Finite,
    prewarmed: Schema.Finite,
    skipped: Schema.Finite,
    state_download_time_ms: Schema.Finite,
    uncompress_time_ms: Schema.Finite,
    prewarm_time_ms: Schema.Finite
  }),
  FailedOperation
]).annotate({ identifier: "PrewarmState" })
export type PrewarmState = typeof PrewarmState.Type

export const OffloadState = Schema.Union([
  Schema.Struct({ status: Schema.Literals(["not_offloaded", "offloading", "skipped"]) }),
  Schema.Struct({
    status: Schema.Literal("completed"),
    state_query_time_ms: Schema.Finite,
    compress_time_ms: Schema.Finite,
    state_upload_time_ms: Schema.Finite
  }),
  FailedOperation
]).annotate({ identifier: "OffloadState" })
export type OffloadState = typeof OffloadState.Type

export const Promoted = Schema.Struct({
  status: Schema.Literal("completed"),
  lsn_wait_time_ms: Schema.Finite,
  pg_promote_time_ms: Schema.Finite,
  reconfigure_time_ms: Schema.Finite
}).annotate({ identifier: "Promoted" })

export const FailedPromotion = failed.annotate({ identifier: "FailedPromotion" })

export type PromoteState = { readonly status: "not_promoted" } | typeof Promoted.Type | typeof FailedPromotion.Type
