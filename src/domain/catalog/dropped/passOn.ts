/**
 * What a role that is to be dropped owns in a database passes to another.
 *
 * Source: PostgreSQL `src/backend/catalog/pg_shdepend.c` (`shdepReassignOwned`).
 */
import { since } from "../../postgres/Majors.ts"
import { dollar, literal } from "../../postgres/Quote.ts"
import { stored } from "../Name.ts"

interface Heritage {
  readonly role: string
  readonly heir: string
}

/** A block with both names in it; `version`: `server_version_num`. */
const block = ({ role, heir }: Heritage, variables: ReadonlyArray<string>, body: ReadonlyArray<string>): string => {
  const { outerTag } = dollar(`${stored(role)} ${heir}`)
  return [
    `DO $${outerTag}$`,
    "DECLARE",
    `  doomed CONSTANT pg_catalog.name := ${literal(stored(role))};`,
    `  heir CONSTANT pg_catalog.name := ${literal(heir)};`,
    ...variables,
    "BEGIN",
    ...body,
    "END",
    `$${outerTag}$`
  ].join("\n")
}

const DOOMED = `(SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) doomed)`

const HERE = `(SELECT b.oid FROM pg_catalog.pg_database AS b
      WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())`

/** What Postgres lets superusers alone own: a catalog, and the column of the owner. Subscriptions are the whole cluster's. */
const reserved = (version: number): ReadonlyArray<string> => [
  "pg_event_trigger AS o WHERE o.evtowner",
  "pg_foreign_data_wrapper AS o WHERE o.fdwowner",
  ...(version < since.subscriptionRole ? ["pg_subscription AS o WHERE o.subowner"] : [])
]

/**
 * All of it, or nothing. A role that was a superuser once, and any tenant on Neon, may own what no other role may be given:
 * for this transaction, of which nobody else sees anything, the heir is a superuser. It must not end up with one: event
 * triggers and what a subscription brings run code of tenants'.
 */
export const passOn = (heritage: Heritage, version: number): string => {
  const owns = reserved(version).map(
    (rows) => `EXISTS (SELECT FROM pg_catalog.${rows} OPERATOR(pg_catalog.=) ${DOOMED})`
  )
  return block(
    heritage,
    [
      `  lifted CONSTANT pg_catalog.bool := EXISTS (SELECT FROM pg_catalog.pg_roles AS h`,
      `      WHERE h.rolname OPERATOR(pg_catalog.=) heir AND NOT h.rolsuper)`,
      `    AND (${owns.join("\n      OR ")});`
    ],
    [
      "  IF lifted THEN",
      "    EXECUTE pg_catalog.format('ALTER ROLE %I SUPERUSER', heir);",
      "  END IF;",
      "  EXECUTE pg_catalog.format('REASSIGN OWNED BY %I TO %I', doomed, heir);",
      "  IF lifted THEN",
      "    EXECUTE pg_catalog.format('ALTER ROLE %I NOSUPERUSER', heir);",
      "  END IF;"
    ]
  )
}

/** Objects of a transaction. Each table comes with its indexes and what it has out of line, each of which is locked, too. */
export const SOME = 100

const isOf = (catalog: string) => `d.classid OPERATOR(pg_catalog.=) 'pg_catalog.${catalog}'::pg_catalog.regclass`

/** Sequences of a column go with their table. */
const isOfColumn = `EXISTS (SELECT FROM pg_catalog.pg_depend AS p
          WHERE p.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
            AND p.objid OPERATOR(pg_catalog.=) c.oid AND p.deptype OPERATOR(pg_catalog.=) ANY (ARRAY['a', 'i']::pg_catalog."char"[]))`

/**
 * Some of what may be there in thousands: relations, routines, large objects. One transaction for all of it would take more
 * locks than the server has, and nothing would pass on, ever.
 */
export const passOnSome = (heritage: Heritage): string =>
  block(
    heritage,
    ["  one pg_catalog.record;"],
    [
      `  FOR one IN SELECT d.kind, i.identity FROM (
      SELECT d.classid, d.objid, CASE WHEN ${isOf("pg_class")} THEN 'TABLE'
          WHEN ${isOf("pg_proc")} THEN 'ROUTINE' ELSE 'LARGE OBJECT' END AS kind
        FROM pg_catalog.pg_shdepend AS d
          LEFT JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) d.objid AND ${isOf("pg_class")}
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_authid'::pg_catalog.regclass
          AND d.refobjid OPERATOR(pg_catalog.=) ${DOOMED}
          AND d.dbid OPERATOR(pg_catalog.=) ${HERE} AND d.deptype OPERATOR(pg_catalog.=) 'o'
          AND (${isOf("pg_proc")} OR ${isOf("pg_largeobject")}
            OR c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f']::pg_catalog."char"[])
            OR c.relkind OPERATOR(pg_catalog.=) 'S' AND NOT ${isOfColumn})
        LIMIT ${SOME}
    ) AS d CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS i
  LOOP
    EXECUTE pg_catalog.format('ALTER %s %s OWNER TO %I', one.kind, one.identity, heir);
  END LOOP;`
    ]
  )
