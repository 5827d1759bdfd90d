/**
 * That users can work with the Postgres of this compute now: the answer of `/readyz`.
 */
import * as Schema from "effect/Schema"

/** `standby` is null on a primary; a value in it is null as long as Postgres does not know it. */
export const Ready = Schema.Struct({
  ready: Schema.Literal(true),
  standby: Schema.NullOr(
    Schema.Struct({
      received_lsn: Schema.NullOr(Schema.String),
      replayed_lsn: Schema.NullOr(Schema.String),
      behind_bytes: Schema.NullOr(Schema.Finite),
      /** Since the last transaction that was replayed; grows on an idle primary too. */
      behind_seconds: Schema.NullOr(Schema.Finite)
    }).annotate({ identifier: "Standby" })
  )
}).annotate({ identifier: "Ready" })
export type Ready = typeof Ready.Type
