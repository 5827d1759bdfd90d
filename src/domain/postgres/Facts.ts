/**
 * What a running Postgres says of itself to an operator: version, position, replication, what waits for a restart.
 */
import * as Schema from "effect/Schema"
import { isSecretName, redact } from "../observe/Redaction.ts"

const Text = Schema.NullOr(Schema.String)
const Bytes = Schema.NullOr(Schema.Finite)

export const Slot = Schema.Struct({
  name: Schema.String,
  kind: Schema.String,
  active: Schema.Boolean,
  /** Bytes of WAL that it keeps. */
  behind: Bytes,
  wal: Text
}).annotate({ identifier: "ReplicationSlot" })

/** One that something else than its default has set, for all sessions. */
export const Setting = Schema.Struct({
  name: Schema.String,
  /** With its unit, as `SHOW` says it. */
  value: Text,
  source: Schema.String,
  file: Text,
  line: Schema.NullOr(Schema.Finite)
}).annotate({ identifier: "SettingInForce" })

export const Standby = Schema.Struct({ name: Text, state: Text, behind: Bytes }).annotate({ identifier: "Follower" })

export interface Facts {
  readonly version: string
  readonly isStandby: boolean
  /** Flushed on a primary, replayed on a standby; null before there is one. */
  readonly lsn: string | null
  readonly walTimeline: string
  readonly mode: string | null
  readonly branch: string | null
  readonly endpoint: string | null
  /** Names of settings. */
  readonly pendingRestart: string | null
  /** By name. */
  readonly settings: ReadonlyArray<typeof Setting.Type>
  readonly slots: ReadonlyArray<typeof Slot.Type>
  /** Whoever follows this server; `behind` in bytes. */
  readonly standbys: ReadonlyArray<typeof Standby.Type>
  /** When the server's certificate ends, as OpenSSL writes it; null without TLS. */
  readonly certificateEnds: string | null
}

/** As it is answered and printed for programs. */
export const FactsReport = Schema.Struct({
  version: Schema.String,
  is_standby: Schema.Boolean,
  /** Flushed on a primary, replayed on a standby; null before there is one. */
  lsn: Text,
  wal_timeline: Schema.String,
  mode: Text,
  branch: Text,
  endpoint: Text,
  /** Names of settings, with commas between them. */
  pending_restart: Text,
  settings: Schema.Array(Setting),
  slots: Schema.Array(Slot),
  /** Whoever follows this server; `behind` in bytes. */
  standbys: Schema.Array(Standby),
  /** When the server's certificate ends, as OpenSSL writes it; null without TLS. */
  certificate_ends: Text
}).annotate({ identifier: "PostgresFacts" })
export type FactsReport = typeof FactsReport.Type

const HIDDEN = "(hidden)"

/** Without secrets. */
export const factsReport = (found: Facts): FactsReport => ({
  version: found.version,
  is_standby: found.isStandby,
  lsn: found.lsn,
  wal_timeline: found.walTimeline,
  mode: found.mode,
  branch: found.branch,
  endpoint: found.endpoint,
  pending_restart: found.pendingRestart,
  settings: found.settings.map(({ value, ...setting }) => ({
    ...setting,
    value: value === null ? null : isSecretName(setting.name) ? HIDDEN : redact(value)
  })),
  slots: found.slots,
  standbys: found.standbys,
  certificate_ends: found.certificateEnds
})
