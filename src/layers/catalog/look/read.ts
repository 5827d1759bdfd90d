/**
 * Looks at the catalog: everything a plan depends on in one round trip, as one JSON text.
 */
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import { inspectionSteps } from "../../../domain/catalog/Inspection.ts"
import { type Snapshot, snapshotSteps } from "../../../domain/catalog/Snapshot.ts"
import type { JsonRejected } from "../../../domain/json/Decode.ts"
import type { Steps } from "../../../domain/json/Json.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { inSlices } from "../../compute/clock/Slices.ts"
import type { SqlSession } from "../../sql/Sql.ts"
import { SqlFailed } from "../../sql/SqlFailed.ts"
import { controlFileRows } from "../controlFile.ts"

/**
 * Every name is qualified, operators and types too: one that is not may be a tenant's should the search path ever be
 * another than the empty one of our sessions.
 */
const list = (expression: string, rest: string) =>
  `(SELECT coalesce(pg_catalog.json_agg(${expression}), '[]'::pg_catalog.json) FROM ${rest})`

const extensionsNow = list(
  "pg_catalog.json_build_object('name', e.extname, 'version', e.extversion, 'schema', n.nspname, 'relocatable', e.extrelocatable)",
  "pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace"
)

const databasesNow = list(
  `pg_catalog.json_build_object('oid', d.oid::pg_catalog.int8, 'name', d.datname, 'owner', pg_catalog.pg_get_userbyid(d.datdba),
    'template', d.datistemplate, 'connectable', d.datallowconn, 'limit', d.datconnlimit)`,
  "pg_catalog.pg_database d"
)

/** Verifiers and names are two lists in the same order, so that a thousand roles do not repeat their member names. */
const rolesNow = `(SELECT pg_catalog.json_build_object('names', pg_catalog.json_agg(rolname ORDER BY oid),
    'passwords', pg_catalog.json_agg(rolpassword ORDER BY oid)) FROM pg_catalog.pg_authid)`

const SNAPSHOT = `SELECT pg_catalog.json_build_object(
  'version', pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
  'started', extract(epoch FROM pg_catalog.pg_postmaster_start_time())::pg_catalog.text,
  'system', pg_catalog.current_database(),
  'timeline', pg_catalog.current_setting('neon.timeline_id', true),
  'subscriptionsDroppedFor', NULL,
  'roles', ${rolesNow},
  'databases', ${databasesNow},
  'subscribers', ${list("f.datname", "(SELECT DISTINCT d.datname FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.subdbid) f")},
  'extensions', ${extensionsNow},
  'neonControl', (SELECT content FROM (${controlFileRows("'neon'")}) one),
  'schemaNeon', pg_catalog.to_regnamespace('neon') IS NOT NULL,
  'healthCheck', pg_catalog.to_regclass('public.health_check') IS NOT NULL,
  'postgresSettings', ${list("c", "pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.setdatabase, pg_catalog.unnest(s.setconfig) c WHERE d.datname OPERATOR(pg_catalog.=) 'postgres' AND s.setrole OPERATOR(pg_catalog.=) '0'::pg_catalog.oid")},
  'readerTimeout', pg_catalog.current_setting('databricks.reader_statement_timeout', true),
  'roleTimeouts', ${list("pg_catalog.json_build_object('role', r.rolname, 'timeout', pg_catalog.substr(c, 19))", "pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_authid r ON r.oid OPERATOR(pg_catalog.=) s.setrole, pg_catalog.unnest(s.setconfig) c WHERE s.setdatabase OPERATOR(pg_catalog.=) '0'::pg_catalog.oid AND pg_catalog.starts_with(c, 'statement_timeout=')")}
)::pg_catalog.text AS answer`

const granted = (kind: "r" | "S", acl: "r" | "s") => `(
    SELECT pg_catalog.count(*) FROM pg_catalog.pg_default_acl a
      JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) a.defaclnamespace
      JOIN pg_catalog.pg_roles me ON me.oid OPERATOR(pg_catalog.=) a.defaclrole
      CROSS JOIN LATERAL pg_catalog.aclexplode(a.defaclacl) x
      JOIN pg_catalog.pg_roles p ON p.oid OPERATOR(pg_catalog.=) x.grantee
      WHERE n.nspname OPERATOR(pg_catalog.=) 'public' AND me.rolname OPERATOR(pg_catalog.=) current_user
        AND a.defaclobjtype OPERATOR(pg_catalog.=) '${kind}'
        AND p.rolname OPERATOR(pg_catalog.=) $1::pg_catalog.name AND x.is_grantable
  ) OPERATOR(pg_catalog.>=) (SELECT pg_catalog.count(*) FROM pg_catalog.aclexplode(pg_catalog.acldefault('${acl}', '10'::pg_catalog.oid)))`

const INSPECTION = `SELECT pg_catalog.json_build_object(
  'oid', (SELECT oid::pg_catalog.int8 FROM pg_catalog.pg_database
    WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()),
  'publicOwner', (SELECT pg_catalog.pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace
    WHERE nspname OPERATOR(pg_catalog.=) 'public'),
  'webAccess', (
    SELECT EXISTS (
      SELECT FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) x
      WHERE n.nspname OPERATOR(pg_catalog.=) 'public' AND x.grantee OPERATOR(pg_catalog.=) r.oid
        AND x.privilege_type OPERATOR(pg_catalog.=) 'CREATE')
    FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) 'web_access'),
  'tablesGranted', ${granted("r", "r")},
  'sequencesGranted', ${granted("S", "s")}
)::pg_catalog.text AS answer`

const misread = (what: string, reason: string) =>
  new SqlFailed({ message: `unexpected answer about ${what}: ${reason}`, sqlstate: null, hint: null, detail: null })

const answered = <A>(
  what: string,
  rows: ReadonlyArray<{ readonly answer: string }>,
  decode: (json: string) => Steps<Result.Result<A, JsonRejected>>
): Effect.Effect<A, SqlFailed> => {
  const [row] = rows
  if (row === undefined) return Effect.fail(misread(what, "no row"))
  // A parse error prints what it parsed, and that holds password verifiers.
  return Effect.mapError(Effect.flatMap(inSlices(decode(row.answer)), Effect.fromResult), () =>
    misread(what, "not of the expected form")
  )
}

/** The table exists only on timelines that were cleaned, or whose parent was. */
const droppedFor = (session: SqlSession) =>
  session
    .query<{ found: boolean }>("SELECT pg_catalog.to_regclass('neon.drop_subscriptions_done') IS NOT NULL AS found")
    .pipe(
      Effect.flatMap(([row]) =>
        row?.found === true
          ? session.query<{ timeline_id: string | null }>(
              "SELECT timeline_id FROM neon.drop_subscriptions_done ORDER BY id LIMIT 1"
            )
          : Effect.succeed([])
      ),
      Effect.map(([row]) => row?.timeline_id ?? null)
    )

export const readSnapshot = (session: SqlSession, spec: ParsedSpec): Effect.Effect<Snapshot, SqlFailed> =>
  Effect.gen(function* () {
    const rows = yield* session.query<{ answer: string }>(SNAPSHOT)
    const snapshot = yield* answered("the catalog", rows, snapshotSteps)
    if (!spec.spec.drop_subscriptions_before_start) return snapshot
    return { ...snapshot, subscriptionsDroppedFor: yield* droppedFor(session) }
  })

/** Looks into the database of the session. */
export const inspect = (session: SqlSession, privilegedRole: string) =>
  Effect.flatMap(session.query<{ answer: string }>(INSPECTION, [privilegedRole]), (rows) =>
    answered("a database", rows, inspectionSteps)
  )
