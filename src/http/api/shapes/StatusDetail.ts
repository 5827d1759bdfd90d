/**
 * The answer of `/status/detail`.
 */
import * as Schema from "effect/Schema"
import { RefusedSetting } from "../../../domain/postgres/RefusedSetting.ts"
import { ComputeStatus } from "../../../domain/status/ComputeStatus.ts"

/** RFC 3339 with `Z`. Every time here is the compute's own clock, `now` included. */
const Time = Schema.String
const nullable = <A, I>(schema: Schema.Codec<A, I>) => Schema.NullOr(schema)

/** A member that computes of an older build do not send. */
const later = <A, I>(schema: Schema.Codec<A, I>) => Schema.optional(schema)

export const Status = Schema.Struct({
  start_time: Time,
  tenant: nullable(Schema.String),
  timeline: nullable(Schema.String),
  status: ComputeStatus,
  last_active: nullable(Time),
  error: nullable(Schema.String)
}).annotate({ identifier: "Status" })
export type Status = typeof Status.Type

const Key = Schema.Struct({
  kid: Schema.String,
  since: Time,
  counts: Schema.Literals(["always", "newest", "until the next set"])
}).annotate({ identifier: "Key" })

const Wait = Schema.Struct({
  name: Schema.String,
  since: Time,
  deadline: nullable(Time),
  detail: later(nullable(Schema.String))
}).annotate({ identifier: "Wait" })

const Service = Schema.Struct({
  name: Schema.String,
  state: Schema.Literals(["running", "backing off", "ended"]),
  restarts: Schema.Finite,
  last_error: nullable(Schema.String)
}).annotate({ identifier: "Service" })

const FailedDatabase = Schema.Struct({
  /** Null: an object of the whole cluster. */
  database: nullable(Schema.String),
  object: Schema.String,
  error: Schema.String
}).annotate({ identifier: "FailedDatabase" })

export const StatusDetail = Schema.Struct({
  /** Of this form: members are added, never changed. */
  version: Schema.optionalKey(Schema.Literal(1)),
  ...Status.fields,
  compute_id: Schema.String,
  now: Time,
  /** When `status` was entered. */
  since: Time,
  postgres_runs: Schema.Boolean,
  /** Keys of the API, those the process was started with first. */
  keys: Schema.Array(Key),
  waits: Schema.Array(Wait),
  services: Schema.Array(Service),
  /** In which databases the last apply could not do its work; the next one tries again. */
  failed_databases: later(Schema.Array(FailedDatabase)),
  /** What of the configuration is not in force since the last reload: refused, or waiting for a restart. */
  refused_settings: later(Schema.Array(RefusedSetting))
}).annotate({ identifier: "StatusDetail" })
export type StatusDetail = typeof StatusDetail.Type

export const toIso = (millis: number): string => new Date(millis).toISOString()
