/**
 * Looks at the catalog: everything a plan depends on in one round trip, as one JSON text.
 */
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import { inspectionSteps } from "../../../domain/catalog/Inspection.ts"
import {
  anyFault,
  functionFault,
  granteesOf,
  healthCheck,
  partOf,
  schemaFault,
  subscriptionsDone,
  tableFault,
  triggersOf,
  viewFault,
  writeFault
} from "../../../domain/catalog/Ownership.ts"
import type { PlanSettings } from "../../../domain/catalog/plan/Draft.ts"
import { wantsStatements } from "../../../domain/catalog/plan/system.ts"
import { faultsSteps, type Snapshot, snapshotSteps } from "../../../domain/catalog/Snapshot.ts"
import type { JsonRejected } from "../../../domain/json/decode/Decode.ts"
import type { Steps } from "../../../domain/json/Steps.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { resultInSlices } from "../../compute/clock/Slices.ts"
import { SqlFailed } from "../../sql/errors.ts"
import type { SqlSession } from "../../sql/Sql.ts"
import { controlFileRows } from "../controlFile.ts"

/**
 * Every name is qualified, operators and types too: one that is not may be a tenant's should the search path ever be
 * another than the empty one of our sessions.
 */
const list = (expression: string, rest: string) =>
  `(SELECT coalesce(pg_catalog.json_agg(${expression}), '[]'::pg_catalog.json) FROM ${rest})`

const extensionsNow = list(
  "pg_catalog.json_build_object('name', e.extname, 'version', e.extversion, 'schema', n.nspname, 'relocatable', e.extrelocatable, 'ours', o.rolsuper)",
  `pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
    JOIN pg_catalog.pg_authid o ON o.oid OPERATOR(pg_catalog.=) e.extowner`
)

const databasesNow = list(
  `pg_catalog.json_build_object('oid', d.oid::pg_catalog.int8, 'name', d.datname, 'owner', pg_catalog.pg_get_userbyid(d.datdba),
    'template', d.datistemplate, 'connectable', d.datallowconn, 'limit', d.datconnlimit)`,
  "pg_catalog.pg_database d"
)

/**
 * Verifiers and names are two lists in the same order, so that a thousand roles do not repeat their member names. They are
 * brought in order once for both.
 */
const rolesNow = `(SELECT pg_catalog.json_build_object('names', pg_catalog.json_agg(r.rolname),
    'passwords', pg_catalog.json_agg(r.rolpassword))
  FROM (SELECT rolname, rolpassword FROM pg_catalog.pg_authid ORDER BY oid) r)`

/** Columns of later versions are asked for by way of JSON. */
const creates = (row: string) =>
  ["inherit_option", "set_option"]
    .map((column) => `pg_catalog.to_jsonb(${row}) OPERATOR(pg_catalog.->>) '${column}' OPERATOR(pg_catalog.=) 'false'`)
    .join(" AND ")

const isMember = "a.member OPERATOR(pg_catalog.=) r.oid"
const isRole = "a.roleid OPERATOR(pg_catalog.=) r.oid"
const isMonitor = "a.roleid OPERATOR(pg_catalog.=) 'pg_monitor'::pg_catalog.regrole"
const any = (condition: string) => `coalesce(pg_catalog.bool_or(${condition}), false)`

/** The memberships of a role and in it are gone through once: one way to find them is planned, and not one for each mark. */
const marksNow = list(
  `pg_catalog.json_build_object('name', r.rolname, 'superuser', r.rolsuper, 'login', r.rolcanlogin,
    'given', f.given, 'monitor', f.monitor, 'created', f.created, 'shared', f.shared)`,
  `pg_catalog.pg_authid r CROSS JOIN LATERAL (
    SELECT ${any(`${isMember} AND g.rolsuper`)} AS given,
      ${any(`${isMember} AND g.rolsuper AND ${isMonitor}`)} AS monitor,
      ${any(`${isRole} AND a.admin_option AND NOT m.rolsuper AND ${creates("a")}`)} AS created,
      ${any(`${isRole} AND NOT g.rolsuper`)} AS shared
    FROM pg_catalog.pg_auth_members a
      JOIN pg_catalog.pg_authid g ON g.oid OPERATOR(pg_catalog.=) a.grantor
      JOIN pg_catalog.pg_authid m ON m.oid OPERATOR(pg_catalog.=) a.member
      WHERE ${isMember} OR ${isRole}) f
    WHERE r.rolname OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.name[])`
)

const healthCheckPlain = `(SELECT COALESCE(pg_catalog.bool_and(o.rolsuper AND c.relkind OPERATOR(pg_catalog.=) 'r'
      AND NOT c.relhastriggers AND NOT c.relhasrules
      AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) x WHERE x.grantee OPERATOR(pg_catalog.<>) c.relowner)), true)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_authid o ON o.oid OPERATOR(pg_catalog.=) c.relowner
    WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('public.health_check'))`

const subscribersNow = list(
  "f.datname",
  "(SELECT DISTINCT d.datname FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.subdbid) f"
)

const postgresSettingsNow = list(
  "c",
  "pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.setdatabase, pg_catalog.unnest(s.setconfig) c WHERE d.datname OPERATOR(pg_catalog.=) 'postgres' AND s.setrole OPERATOR(pg_catalog.=) '0'::pg_catalog.oid"
)

const roleTimeoutsNow = list(
  "pg_catalog.json_build_object('role', r.rolname, 'timeout', pg_catalog.substr(c, 19))",
  "pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_authid r ON r.oid OPERATOR(pg_catalog.=) s.setrole, pg_catalog.unnest(s.setconfig) c WHERE s.setdatabase OPERATOR(pg_catalog.=) '0'::pg_catalog.oid AND pg_catalog.starts_with(c, 'statement_timeout=')"
)

const NOTHING = "'[]'::pg_catalog.json"

/**
 * On a server that has just started, each catalog is planned for and read from storage: what no step of this spec will look
 * at is not asked for.
 */
const snapshotFor = ({ spec }: ParsedSpec, { lakebase }: PlanSettings): string => {
  const drops = spec.delta_operations?.some(({ action }) => action === "delete_db") === true
  const subscribers = drops || spec.drop_subscriptions_before_start
  const audited = spec.audit_log_level !== "Disabled"
  return `SELECT pg_catalog.json_build_object(
  'version', pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
  'started', extract(epoch FROM pg_catalog.pg_postmaster_start_time())::pg_catalog.text,
  'system', pg_catalog.current_database(),
  'superuser', (SELECT rolsuper FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) current_user),
  'timeline', pg_catalog.current_setting('neon.timeline_id', true),
  'subscriptionsDroppedFor', NULL,
  'roles', ${rolesNow},
  'databases', ${databasesNow},
  'subscribers', ${subscribers ? subscribersNow : NOTHING},
  'extensions', ${extensionsNow},
  'neonControl', (SELECT content FROM (${controlFileRows("'neon'")}) one),
  'schemaNeon', pg_catalog.to_regnamespace('neon') IS NOT NULL,
  'healthCheck', pg_catalog.to_regclass('public.health_check') IS NOT NULL,
  'healthCheckPlain', ${healthCheckPlain},
  'marks', ${marksNow},
  'postgresSettings', ${audited ? postgresSettingsNow : NOTHING},
  'readerTimeout', pg_catalog.current_setting('databricks.reader_statement_timeout', true),
  'roleTimeouts', ${lakebase ? roleTimeoutsNow : NOTHING}
)::pg_catalog.text AS answer`
}

/** Asked only where something depends on it: it goes through many catalogs. */
const FAULTS = `SELECT pg_catalog.json_build_object(
  'schemaNeon', ${schemaFault("neon")},
  'healthCheck', ${tableFault(healthCheck)},
  'healthCheckTriggers', ${triggersOf(healthCheck)},
  'healthCheckGrantees', ${granteesOf(healthCheck)},
  'subscriptionsDone', ${writeFault(subscriptionsDone)},
  'statements', ${viewFault("public", "pg_stat_statements", partOf("pg_stat_statements"))},
  'perfCounters', ${anyFault(
    viewFault("neon", "neon_perf_counters", partOf("neon")),
    functionFault("neon", "get_perf_counters", partOf("neon"))
  )},
  'writeFunction', ${functionFault("public", "health_check_write_succeeds", { extension: null, superuser: true })}
)::pg_catalog.text AS answer`

const roleNamed = (name: string) =>
  `(SELECT oid FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) ${name})`

const everyRight = (acl: "r" | "s") =>
  `(SELECT pg_catalog.count(*) FROM pg_catalog.aclexplode(pg_catalog.acldefault('${acl}', '10'::pg_catalog.oid)))`

/**
 * Asked in a new session in every database, where planning is most of it: tables and not the views on them, each of them
 * once.
 */
const INSPECTION = `SELECT pg_catalog.json_build_object(
  'oid', (SELECT oid::pg_catalog.int8 FROM pg_catalog.pg_database
    WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()),
  'publicOwner', pg_catalog.pg_get_userbyid(n.nspowner),
  'publicOfSuperuser', COALESCE(
    (SELECT rolsuper FROM pg_catalog.pg_authid WHERE oid OPERATOR(pg_catalog.=) n.nspowner), false),
  'webAccess', (
    SELECT EXISTS (
      SELECT FROM pg_catalog.aclexplode(n.nspacl) x
      WHERE x.grantee OPERATOR(pg_catalog.=) r.oid AND x.privilege_type OPERATOR(pg_catalog.=) 'CREATE')
    FROM pg_catalog.pg_authid r WHERE r.rolname OPERATOR(pg_catalog.=) 'web_access'),
  'tablesGranted', g.tables OPERATOR(pg_catalog.>=) ${everyRight("r")},
  'sequencesGranted', g.sequences OPERATOR(pg_catalog.>=) ${everyRight("s")}
)::pg_catalog.text AS answer
FROM (VALUES (1)) one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) 'public'
CROSS JOIN LATERAL (
  SELECT pg_catalog.count(*) FILTER (WHERE a.defaclobjtype OPERATOR(pg_catalog.=) 'r') AS tables,
    pg_catalog.count(*) FILTER (WHERE a.defaclobjtype OPERATOR(pg_catalog.=) 'S') AS sequences
  FROM pg_catalog.pg_default_acl a CROSS JOIN LATERAL pg_catalog.aclexplode(a.defaclacl) x
  WHERE a.defaclnamespace OPERATOR(pg_catalog.=) n.oid AND a.defaclrole OPERATOR(pg_catalog.=) ${roleNamed("current_user")}
    AND x.grantee OPERATOR(pg_catalog.=) ${roleNamed("$1::pg_catalog.name")} AND x.is_grantable
) g`

const misread = (what: string, reason: string) => SqlFailed.of(`unexpected answer about ${what}: ${reason}`)

const answered = <A>(
  what: string,
  rows: ReadonlyArray<{ readonly answer: string }>,
  decode: (json: string) => Steps<Result.Result<A, JsonRejected>>
): Effect.Effect<A, SqlFailed> => {
  const [row] = rows
  if (row === undefined) return Effect.fail(misread(what, "no row"))
  // A parse error prints what it parsed, and that holds password verifiers.
  return Effect.mapError(resultInSlices(decode(row.answer)), () => misread(what, "not of the expected form"))
}

/** Whether a plan will do anything in which something of our names is relied on. */
const relies = (snapshot: Snapshot, { spec }: ParsedSpec, { lakebase }: PlanSettings): boolean => {
  const neon = snapshot.extensions.find(({ name }) => name === "neon")
  const settled = neon?.schema === "neon" && neon.relocatable && neon.version === snapshot.neonAvailable
  return (
    lakebase ||
    !settled ||
    !snapshot.healthCheck ||
    !snapshot.healthCheckPlain ||
    spec.drop_subscriptions_before_start ||
    (wantsStatements(spec) && !snapshot.extensions.some(({ name }) => name === "pg_stat_statements"))
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

/** Roles that are given rights, or spared them, by their name. */
const namedRoles = ({ privilegedRole }: PlanSettings) => [privilegedRole, "web_access", "databricks_monitor"]

export const readSnapshot = (
  session: SqlSession,
  spec: ParsedSpec,
  settings: PlanSettings
): Effect.Effect<Snapshot, SqlFailed> =>
  Effect.gen(function* () {
    const rows = yield* session.query<{ answer: string }>(snapshotFor(spec, settings), [namedRoles(settings)])
    const snapshot = yield* answered("the catalog", rows, snapshotSteps)
    if (!relies(snapshot, spec, settings)) return snapshot
    const found = yield* session.query<{ answer: string }>(FAULTS)
    const faults = yield* answered("objects of our names", found, faultsSteps)
    const record = faults.schemaNeon === null && faults.subscriptionsDone === null
    if (!spec.spec.drop_subscriptions_before_start || !record) return { ...snapshot, faults }
    return { ...snapshot, faults, subscriptionsDroppedFor: yield* droppedFor(session) }
  })

/** Looks into the database of the session. */
export const inspect = (session: SqlSession, privilegedRole: string) =>
  Effect.flatMap(session.query<{ answer: string }>(INSPECTION, [privilegedRole]), (rows) =>
    answered("a database", rows, inspectionSteps)
  )
