/**
 * Repairs of what older images left in the system database. The list is append-only: a migration's id is its position,
 * and the id of the last one applied is stored in the timeline, where branches inherit it.
 *
 * Source: `compute_tools/src/migration.rs`, `compute_tools/src/migrations/*.sql`.
 */
import { since } from "../../postgres/Majors.ts"

export interface Migration {
  /** From 1. */
  readonly id: number
  /** Null: superseded, only counted. */
  readonly sql: string | null
}

/** PL/pgSQL that runs on servers of at least this version (`server_version_num`). */
const fromVersion = (version: number, statements: ReadonlyArray<string>): string =>
  [
    "DO $since$",
    "BEGIN",
    `  IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) ${version} THEN`,
    ...statements.map((statement) => `    EXECUTE '${statement}';`),
    "  END IF;",
    "END",
    "$since$"
  ].join("\n")

/** An incident gave BYPASSRLS to every role; only members of the privileged role are to have it. */
const memberAttributes = (role: string): string =>
  [
    "DO $attributes$",
    "DECLARE",
    "  name pg_catalog.name;",
    "BEGIN",
    `  FOR name IN SELECT rolname FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(rolname, '${role}', 'member') LOOP`,
    "    EXECUTE pg_catalog.format('ALTER ROLE %I INHERIT', name);",
    "  END LOOP;",
    "  FOR name IN SELECT rolname FROM pg_catalog.pg_roles",
    `    WHERE NOT pg_catalog.pg_has_role(rolname, '${role}', 'member')`,
    "      AND NOT pg_catalog.starts_with(rolname::pg_catalog.text, 'pg_') LOOP",
    "    EXECUTE pg_catalog.format('ALTER ROLE %I NOBYPASSRLS', name);",
    "  END LOOP;",
    "END",
    "$attributes$"
  ].join("\n")

/** All of them, for a privileged role of this name, which needs no quotes. */
export const migrations = (role: string): ReadonlyArray<Migration> =>
  [
    `ALTER ROLE ${role} BYPASSRLS`,
    memberAttributes(role),
    fromVersion(since.subscriptionRole, [`GRANT pg_create_subscription TO ${role}`]),
    `GRANT pg_monitor TO ${role} WITH ADMIN OPTION`,
    null,
    null,
    null,
    null,
    null,
    fromVersion(since.standbySnapshots, [
      `GRANT EXECUTE ON FUNCTION pg_catalog.pg_export_snapshot TO ${role}`,
      `GRANT EXECUTE ON FUNCTION pg_catalog.pg_log_standby_snapshot TO ${role}`
    ]),
    `GRANT EXECUTE ON FUNCTION pg_catalog.pg_show_replication_origin_status TO ${role}`,
    `GRANT pg_signal_backend TO ${role} WITH ADMIN OPTION`
  ].map((sql, index) => ({ id: index + 1, sql }))

/** Creates the memory of migrations; `schema`: whether there is one. A schema that somebody makes meanwhile is not taken. */
export const memory = (schema: boolean): string =>
  [...(schema ? [] : ["CREATE SCHEMA neon_migration"]), ...MEMORY].join("; ")

const MEMORY = [
  "CREATE TABLE IF NOT EXISTS neon_migration.migration_id (" +
    "key pg_catalog.int4 NOT NULL PRIMARY KEY, id pg_catalog.int8 NOT NULL DEFAULT 0)",
  "INSERT INTO neon_migration.migration_id (key, id) VALUES (0, 0) ON CONFLICT DO NOTHING",
  "ALTER SCHEMA neon_migration OWNER TO cloud_admin",
  "REVOKE ALL ON SCHEMA neon_migration FROM PUBLIC"
]

/** One migration and the memory of it: several statements in one message are one transaction. */
export const transaction = ({ id, sql }: Migration): string =>
  [
    ...(sql === null ? [] : [sql]),
    `UPDATE neon_migration.migration_id SET id = ${id} WHERE key OPERATOR(pg_catalog.=) 0`
  ].join("; ")
