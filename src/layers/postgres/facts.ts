/**
 * Asks a running Postgres what it says of itself to an operator.
 */
import { X509Certificate } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Facts, Setting, Slot, Standby } from "../../domain/postgres/Facts.ts"
import type { SqlSession } from "../sql/session/SqlSession.ts"

/** Lists as JSON, a chain as PEM. */
interface Row extends Omit<Facts, "settings" | "slots" | "standbys" | "certificateEnds"> {
  readonly settings: string
  readonly slots: string
  readonly standbys: string
  readonly certificate: string | null
}

/** Bytes of a certificate chain that are read. */
const LONGEST = 65_536

const behind = (position: string) => `pg_catalog.pg_wal_lsn_diff(now.lsn, ${position})`

const QUERY = `
  SELECT pg_catalog.current_setting('server_version') AS version,
         now.recovering AS "isStandby",
         now.lsn::pg_catalog.text AS lsn,
         (SELECT control.timeline_id::pg_catalog.text FROM pg_catalog.pg_control_checkpoint() AS control) AS "walTimeline",
         pg_catalog.current_setting('neon.compute_mode', true) AS mode,
         pg_catalog.current_setting('neon.branch_id', true) AS branch,
         pg_catalog.current_setting('neon.endpoint_id', true) AS endpoint,
         (SELECT pg_catalog.string_agg(setting.name, ', ') FROM pg_catalog.pg_settings AS setting
           WHERE setting.pending_restart) AS "pendingRestart",
         (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
             'name', setting.name, 'value', pg_catalog.current_setting(setting.name, true),
             'source', setting.source, 'file', setting.sourcefile, 'line', setting.sourceline)
             ORDER BY setting.name), '[]'::pg_catalog.json)
           FROM pg_catalog.pg_settings AS setting
          WHERE setting.source OPERATOR(pg_catalog.=) ANY
            (ARRAY['configuration file', 'command line', 'environment variable', 'global']::pg_catalog.text[])
         )::pg_catalog.text AS settings,
         (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
             'name', slot.slot_name, 'kind', slot.slot_type, 'active', slot.active,
             'behind', ${behind("slot.restart_lsn")}, 'wal', slot.wal_status)), '[]'::pg_catalog.json)
           FROM pg_catalog.pg_replication_slots AS slot)::pg_catalog.text AS slots,
         (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
             'name', follower.application_name, 'state', follower.state,
             'behind', ${behind("follower.replay_lsn")})), '[]'::pg_catalog.json)
           FROM pg_catalog.pg_stat_replication AS follower)::pg_catalog.text AS standbys,
         CASE WHEN pg_catalog.current_setting('ssl') OPERATOR(pg_catalog.=) 'on' THEN pg_catalog.pg_read_file(
           pg_catalog.current_setting('ssl_cert_file'), 0::pg_catalog.int8, ${LONGEST}::pg_catalog.int8, true)
         END AS certificate
    FROM (SELECT pg_catalog.pg_is_in_recovery() AS recovering,
                 CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                      ELSE pg_catalog.pg_current_wal_flush_lsn() END AS lsn) AS now`

const certificateEnds = (pem: string | null): string | null => {
  if (pem === null) return null
  try {
    return new X509Certificate(pem).validTo
  } catch {
    return null
  }
}

const listOf = <A, I>(element: Schema.Codec<A, I>, json: string) =>
  Effect.orElseSucceed(Schema.decodeEffect(Schema.fromJsonString(Schema.Array(element)))(json), () => [])

/** One statement. */
export const facts = Effect.fnUntraced(function* (session: SqlSession) {
  const [row] = yield* session.query<Row>(QUERY)
  if (row === undefined) return null
  const { certificate, settings, slots, standbys, ...others } = row
  const found: Facts = {
    ...others,
    settings: yield* listOf(Setting, settings),
    slots: yield* listOf(Slot, slots),
    standbys: yield* listOf(Standby, standbys),
    certificateEnds: certificateEnds(certificate)
  }
  return found
})
