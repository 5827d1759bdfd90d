/**
 * Why the compute counts as in use. Not in the original.
 */
import * as Schema from "effect/Schema"

const Reason = Schema.Struct({
  kind: Schema.Literals([
    ...(["query", "transaction", "session", "walsender", "subscription"] as const),
    ...(["autovacuum", "statistics"] as const)
  ]),
  count: Schema.Finite,
  since: Schema.NullOr(Schema.String),
  detail: Schema.NullOr(Schema.String)
}).annotate({ identifier: "ActivityReason" })

export const Activity = Schema.Struct({
  /** Null while it is not known: before the first look, or while Postgres does not answer. */
  active: Schema.NullOr(Schema.Boolean),
  active_since: Schema.NullOr(Schema.String),
  last_active: Schema.NullOr(Schema.String),
  checked_at: Schema.NullOr(Schema.String),
  monitor: Schema.Literals(["waiting", "watching", "down"]),
  reasons: Schema.Array(Reason)
}).annotate({ identifier: "Activity" })
