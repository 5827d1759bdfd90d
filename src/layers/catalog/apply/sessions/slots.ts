/**
 * How many sessions the server takes before only the reserved ones are left, which are for superusers: ours among them,
 * but not ours alone.
 *
 * Source: PostgreSQL documentation, `superuser_reserved_connections`, `reserved_connections`.
 */
import * as Effect from "effect/Effect"
import type { SqlSession } from "../../../sql/Sql.ts"

const FREE = `SELECT pg_catalog.current_setting('max_connections')::pg_catalog.int4
    OPERATOR(pg_catalog.-) pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4
    OPERATOR(pg_catalog.-) coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::pg_catalog.int4
    OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_get_activity(NULL) AS a
      WHERE a.backend_type OPERATOR(pg_catalog.=) 'client backend')::pg_catalog.int4 AS free`

/** Zero or less: nothing but reserved ones. */
export const freeSlots = (session: SqlSession) =>
  Effect.map(session.query<{ free: number }>(FREE), ([row]) => row?.free ?? Number.POSITIVE_INFINITY)
