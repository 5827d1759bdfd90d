/**
 * What has to go before a role can: DROP ROLE refuses as long as anything in any database refers to it.
 *
 * Source: `compute_tools/src/spec_apply.rs` (`DeleteDBRoleReferences`, `DropRoles`),
 * `compute_tools/src/sql/pre_drop_role_revoke_privileges.sql`; PostgreSQL `src/backend/catalog/{pg_shdepend,aclchk}.c`.
 */
import { since } from "../postgres/Majors.ts"
import { dollar, ident } from "../postgres/Quote.ts"
import { stored } from "./Name.ts"
import { named, type Step, step } from "./plan/Step.ts"

/** A database in which something refers to a doomed role; objects of the whole cluster count for that of our sessions. */
export interface Reference {
  readonly role: string
  readonly database: string
  /** False: it takes no connections, so nothing can be cleared in it. */
  readonly enterable: boolean
  /** Who gets what the role owns in it: the database's owner. */
  readonly heir: string
}

/** A database whose owner is a doomed role. It passes to the role of our own sessions. */
export type OwnedDatabase = Omit<Reference, "enterable">

export const giveAway = ({ role, database, heir }: OwnedDatabase): Step =>
  step(
    named("role", role),
    `to be deleted: its database ${JSON.stringify(database)} passes to ${JSON.stringify(heir)}`,
    `ALTER DATABASE ${ident(database)} OWNER TO ${ident(heir)}`
  )

/** Catalogs with access lists: columns of the list and the owner, the schemas that an object's name takes. */
const CATALOGS: ReadonlyArray<readonly [name: string, acl: string, owner: string, spaces?: string]> = [
  ["pg_type", "typacl", "typowner", "ARRAY[o.typnamespace]"],
  [
    "pg_proc",
    "proacl",
    "proowner",
    `pg_catalog.array_prepend(o.pronamespace, ARRAY(SELECT t.typnamespace FROM pg_catalog.pg_type AS t
        WHERE t.oid OPERATOR(pg_catalog.=) ANY (o.proargtypes)))`
  ],
  ["pg_namespace", "nspacl", "nspowner"],
  ["pg_database", "datacl", "datdba"],
  ["pg_tablespace", "spcacl", "spcowner"],
  ["pg_language", "lanacl", "lanowner"],
  ["pg_foreign_data_wrapper", "fdwacl", "fdwowner"],
  ["pg_foreign_server", "srvacl", "srvowner"],
  ["pg_largeobject_metadata", "lomacl", "lomowner"]
]

/** What refers to a large object names the catalog of its pages. */
const classIs = (catalog: string) =>
  `d.classid OPERATOR(pg_catalog.=) 'pg_catalog.${catalog.replace("_metadata", "")}'::pg_catalog.regclass`

/** Rows of (classid, objid, objsubid, access list, owner, schemas) from rows `mine` of the first three. */
const accessLists = (version: number): string =>
  [
    `SELECT d.*, COALESCE(a.attacl, o.relacl), o.relowner, ARRAY[o.relnamespace]
      FROM mine AS d JOIN pg_catalog.pg_class AS o ON o.oid OPERATOR(pg_catalog.=) d.objid AND ${classIs("pg_class")}
      LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) o.oid
        AND a.attnum OPERATOR(pg_catalog.=) d.objsubid AND a.attnum OPERATOR(pg_catalog.>) 0`,
    ...CATALOGS.map(
      ([name, acl, owner, spaces = "NULL"]) => `SELECT d.*, o.${acl}, o.${owner}, ${spaces}
      FROM mine AS d JOIN pg_catalog.${name} AS o ON o.oid OPERATOR(pg_catalog.=) d.objid AND ${classIs(name)}`
    ),
    // Parameters belong to the bootstrap superuser.
    ...(version < since.accessListsOfParameters
      ? []
      : [
          `SELECT d.*, o.paracl, 10::pg_catalog.oid, NULL
      FROM mine AS d JOIN pg_catalog.pg_parameter_acl AS o ON o.oid OPERATOR(pg_catalog.=) d.objid
        AND ${classIs("pg_parameter_acl")}`
        ])
  ].join("\n    UNION ALL ")

/** From the words of `pg_identify_object` to those of GRANT; whatever else has an access list is like a table. */
const KINDS: ReadonlyArray<readonly [type: string, kind: string]> = [
  ["sequence", "SEQUENCE"],
  ["type", "TYPE"],
  ["function", "ROUTINE"],
  ["procedure", "ROUTINE"],
  ["aggregate", "ROUTINE"],
  ["schema", "SCHEMA"],
  ["database", "DATABASE"],
  ["tablespace", "TABLESPACE"],
  ["language", "LANGUAGE"],
  ["foreign-data wrapper", "FOREIGN DATA WRAPPER"],
  ["server", "FOREIGN SERVER"],
  ["large object", "LARGE OBJECT"],
  ["parameter ACL", "PARAMETER"]
]

const kindOf = (type: string): string =>
  `CASE ${KINDS.map(([from, to]) => `WHEN ${type} OPERATOR(pg_catalog.=) '${from}' THEN '${to}'`).join(" ")} ELSE 'TABLE' END`

/**
 * Neon lets the privileged role make event triggers, and calls them in the name of everybody but superusers: a giver's name
 * would do, and what they call can take our own role back. Our sessions switch them off on 17 and newer; the extension's own
 * switch works on all. Without the extension there is no such setting, and none but superusers make them before 17.
 *
 * Source: `pgxn/neon`, the setting `neon.event_triggers` and `neon_fmgr_hook`.
 */
const NO_EVENT_TRIGGERS = `IF pg_catalog.current_setting('neon.event_triggers', true) IS NOT NULL THEN
    PERFORM pg_catalog.set_config('neon.event_triggers', 'off', true);
  END IF;`

/**
 * Privileges that somebody other than the object's owner has given to the role. DROP OWNED acts as the owner and leaves
 * them, with everything that the role has given on. Only their giver can take them back, and must be able to name the
 * object: where it lacks USAGE on a schema it has it for this moment.
 */
const revokeForeignGrants = (role: string, version: number): string => {
  const { quoted, outerTag } = dollar(stored(role))
  return `DO $${outerTag}$
DECLARE
  self CONSTANT pg_catalog.name := current_user;
  doomed CONSTANT pg_catalog.name := ${quoted};
  held pg_catalog.record;
  space pg_catalog.name;
  lent pg_catalog.name[];
BEGIN
  ${NO_EVENT_TRIGGERS}
  FOR held IN WITH mine AS (
    SELECT d.classid, d.objid, d.objsubid FROM pg_catalog.pg_shdepend AS d
      JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) d.refobjid
      LEFT JOIN pg_catalog.pg_database AS b ON b.oid OPERATOR(pg_catalog.=) d.dbid
      WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_authid'::pg_catalog.regclass
        AND d.deptype OPERATOR(pg_catalog.=) 'a' AND r.rolname OPERATOR(pg_catalog.=) doomed
        AND (b.oid IS NULL OR b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
  ), lists (classid, objid, objsubid, acl, owner, spaces) AS (
    ${accessLists(version)}
  )
    SELECT g.rolname AS giver, l.spaces, ${kindOf("i.type")} AS kind, i.identity,
      pg_catalog.string_agg(DISTINCT CASE WHEN a.attname IS NULL THEN x.privilege_type
        ELSE pg_catalog.format('%s (%I)', x.privilege_type, a.attname) END, ', ') AS privileges
      FROM lists AS l
      CROSS JOIN LATERAL pg_catalog.aclexplode(l.acl) AS x
      CROSS JOIN LATERAL pg_catalog.pg_identify_object(l.classid, l.objid, 0) AS i
      JOIN pg_catalog.pg_roles AS g ON g.oid OPERATOR(pg_catalog.=) x.grantor
      JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) x.grantee
      LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) l.objid
        AND l.objsubid OPERATOR(pg_catalog.>) 0 AND a.attnum OPERATOR(pg_catalog.=) l.objsubid
      WHERE r.rolname OPERATOR(pg_catalog.=) doomed AND x.grantor OPERATOR(pg_catalog.<>) l.owner
      GROUP BY g.rolname, l.spaces, i.type, i.identity
  LOOP
    BEGIN
      lent := ARRAY(SELECT n.nspname FROM pg_catalog.pg_namespace AS n
        WHERE n.oid OPERATOR(pg_catalog.=) ANY (held.spaces)
          AND NOT pg_catalog.has_schema_privilege(held.giver, n.oid, 'USAGE'));
      FOREACH space IN ARRAY lent LOOP
        EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', space, held.giver);
      END LOOP;
      EXECUTE pg_catalog.format('SET LOCAL ROLE %I', held.giver);
      EXECUTE pg_catalog.format('REVOKE %s ON %s %s FROM %I CASCADE', held.privileges, held.kind, held.identity, doomed);
      EXECUTE pg_catalog.format('SET LOCAL ROLE %I', self);
      FOREACH space IN ARRAY lent LOOP
        EXECUTE pg_catalog.format('REVOKE USAGE ON SCHEMA %I FROM %I', space, held.giver);
      END LOOP;
    EXCEPTION WHEN insufficient_privilege THEN
      -- An earlier revocation of this loop took the giver's own right, and with it the grant.
      NULL;
    END;
  END LOOP;
END
$${outerTag}$`
}

/**
 * In one database; idempotent. One step, and so one transaction: DROP OWNED after a REASSIGN OWNED that failed would drop
 * what should have passed on.
 */
export const clearRole = ({ role, database, heir }: Reference, version: number): Step => {
  const reassign = `REASSIGN OWNED BY ${ident(role)} TO ${ident(heir)}`
  const dropOwned = `DROP OWNED BY ${ident(role)}`
  return step(
    named("role", role),
    `to be deleted: what it owns passes to ${JSON.stringify(heir)}, what it was given or has given goes`,
    [reassign, `/* as each giver */ REVOKE ... FROM ${ident(role)} CASCADE`, dropOwned].join(";\n"),
    { database, statement: [reassign, revokeForeignGrants(role, version), dropOwned].join(";\n"), alone: true }
  )
}
