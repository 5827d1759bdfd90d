/**
 * Grants to a role that is to be dropped, given by others than the objects' owners.
 *
 * Source: `compute_tools/src/sql/pre_drop_role_revoke_privileges.sql`; PostgreSQL `src/backend/catalog/aclchk.c`.
 */
import { since } from "../../postgres/Majors.ts"
import { dollar } from "../../postgres/Quote.ts"
import { stored } from "../Name.ts"

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

/** As GRANT writes it. */
const PRIVILEGE = `CASE WHEN a.attname IS NULL THEN x.privilege_type
        ELSE pg_catalog.format('%s (%I)', x.privilege_type, a.attname) END`

/** Whether the giver has been given the same in person. */
const given = (more: string) => `EXISTS (SELECT FROM pg_catalog.aclexplode(l.acl) AS y
          WHERE y.grantee OPERATOR(pg_catalog.=) x.grantor
            AND y.privilege_type OPERATOR(pg_catalog.=) x.privilege_type AND ${more})`

const ON_OBJECT = "held.kind, held.identity"

/**
 * Privileges that somebody other than the object's owner has given to the role, and those that the role has given on.
 * DROP OWNED acts as the owner and leaves both. Only their giver can take them back, and must be able to name the object:
 * where it lacks USAGE on a schema it has it for this moment. Who has become a superuser since would take back what the
 * owner has given, and is none meanwhile. Who is a member of a role that may give, as all tenants are of the privileged one,
 * would take back what that one has given, unless it may give in person: then that is lent, too. For the same reason what
 * the role has given on does not go with what it was given.
 */
export const revokeForeignGrants = (role: string, version: number): string => {
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
    SELECT g.rolname AS giver, g.rolsuper AND g.rolname OPERATOR(pg_catalog.<>) self
        AND g.oid OPERATOR(pg_catalog.<>) 10::pg_catalog.oid AS strong,
      COALESCE(pg_catalog.quote_ident(r.rolname), 'PUBLIC') AS taker,
      l.spaces, ${kindOf("i.type")} AS kind, i.identity,
      pg_catalog.string_agg(DISTINCT ${PRIVILEGE}, ', ') AS privileges,
      pg_catalog.string_agg(DISTINCT ${PRIVILEGE}, ', ') FILTER (WHERE NOT ${given("y.is_grantable")}) AS lacking,
      pg_catalog.string_agg(DISTINCT ${PRIVILEGE}, ', ') FILTER (WHERE NOT ${given("y.is_grantable")}
        AND ${given("y.grantor OPERATOR(pg_catalog.=) l.owner")}) AS kept
      FROM lists AS l
      CROSS JOIN LATERAL pg_catalog.aclexplode(l.acl) AS x
      CROSS JOIN LATERAL pg_catalog.pg_identify_object(l.classid, l.objid, 0) AS i
      JOIN pg_catalog.pg_roles AS g ON g.oid OPERATOR(pg_catalog.=) x.grantor
      LEFT JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) x.grantee
      LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) l.objid
        AND l.objsubid OPERATOR(pg_catalog.>) 0 AND a.attnum OPERATOR(pg_catalog.=) l.objsubid
      WHERE (g.rolname OPERATOR(pg_catalog.=) doomed OR r.rolname OPERATOR(pg_catalog.=) doomed)
        AND x.grantor OPERATOR(pg_catalog.<>) l.owner
      GROUP BY g.oid, g.rolname, g.rolsuper, r.rolname, l.spaces, i.type, i.identity
      ORDER BY g.rolname OPERATOR(pg_catalog.=) doomed DESC
  LOOP
    BEGIN
      IF held.strong THEN
        EXECUTE pg_catalog.format('ALTER ROLE %I NOSUPERUSER', held.giver);
      END IF;
      lent := ARRAY(SELECT n.nspname FROM pg_catalog.pg_namespace AS n
        WHERE n.oid OPERATOR(pg_catalog.=) ANY (held.spaces)
          AND NOT pg_catalog.has_schema_privilege(held.giver, n.oid, 'USAGE'));
      FOREACH space IN ARRAY lent LOOP
        EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', space, held.giver);
      END LOOP;
      IF held.lacking IS NOT NULL THEN
        EXECUTE pg_catalog.format('GRANT %s ON %s %s TO %I WITH GRANT OPTION', held.lacking, ${ON_OBJECT}, held.giver);
      END IF;
      EXECUTE pg_catalog.format('SET LOCAL ROLE %I', held.giver);
      EXECUTE pg_catalog.format('REVOKE %s ON %s %s FROM %s CASCADE', held.privileges, ${ON_OBJECT}, held.taker);
      EXECUTE pg_catalog.format('SET LOCAL ROLE %I', self);
      IF held.lacking IS NOT NULL THEN
        EXECUTE pg_catalog.format('REVOKE %s ON %s %s FROM %I CASCADE', held.lacking, ${ON_OBJECT}, held.giver);
      END IF;
      IF held.kept IS NOT NULL THEN
        EXECUTE pg_catalog.format('GRANT %s ON %s %s TO %I', held.kept, ${ON_OBJECT}, held.giver);
      END IF;
      FOREACH space IN ARRAY lent LOOP
        EXECUTE pg_catalog.format('REVOKE USAGE ON SCHEMA %I FROM %I', space, held.giver);
      END LOOP;
      IF held.strong THEN
        EXECUTE pg_catalog.format('ALTER ROLE %I SUPERUSER', held.giver);
      END IF;
    EXCEPTION WHEN insufficient_privilege THEN
      -- An earlier revocation of this loop took the giver's own right, and with it the grant.
      NULL;
    END;
  END LOOP;
END
$${outerTag}$`
}
