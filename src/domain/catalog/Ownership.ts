/**
 * Whether what stands under a name of ours is ours. Whoever owns a database, or may create in a schema of it, may have made
 * something of that name first, and what a superuser reads, writes or calls runs with a superuser's rights.
 *
 * Each function gives an SQL expression: why the object is not ours, as text to stand behind its name; null when it is
 * ours, or when there is none.
 *
 * Source: PostgreSQL documentation, "System Catalogs", "CREATE EXTENSION" (trusted extensions belong to who created them).
 */
import { literal } from "../postgres/Quote.ts"

const is = (column: string, value: string) => `${column} OPERATOR(pg_catalog.=) ${value}`

const catalogOf = (column: string, name: string) => is(column, `'pg_catalog.${name}'::pg_catalog.regclass`)

/** Whether an object is part of an extension for which something holds. */
const isMember = (catalog: string, oid: string, of = "true") => `EXISTS (
      SELECT FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_extension AS e ON ${is("e.oid", "d.refobjid")} AND ${catalogOf("d.refclassid", "pg_extension")}
        JOIN pg_catalog.pg_roles AS k ON ${is("k.oid", "e.extowner")}
        WHERE ${catalogOf("d.classid", catalog)} AND ${is("d.objid", oid)} AND ${is("d.deptype", "'e'")} AND ${of})`

/** Where a view or a function of ours comes from: an extension, or a superuser's own statement. */
export interface Origin {
  readonly extension: string | null
  readonly superuser: boolean
}

/** The extension of that name, and no other. */
export const partOf = (extension: string): Origin => ({ extension, superuser: false })

const isFrom = (catalog: string, oid: string, { extension, superuser }: Origin): string => {
  const ours = `k.rolsuper AND ${is("e.extname", literal(extension ?? ""))}`
  if (!superuser) return isMember(catalog, oid, ours)
  return `NOT ${isMember(catalog, oid, extension === null ? "true" : `NOT (${ours})`)}`
}

const notFrom = ({ extension, superuser }: Origin): string =>
  literal(superuser ? "it is part of another extension" : `it is no part of our extension ${extension}`)

/** The first of several reasons. */
export const anyFault = (...faults: ReadonlyArray<string>): string => `COALESCE(${faults.join(", ")})`

const OF_A_ROLE = "WHEN NOT o.rolsuper THEN pg_catalog.format('it belongs to role %I', o.rolname)"

/** A schema that only superusers own and create in: what is in it cannot have been exchanged by anybody else. */
export const schemaFault = (name: string): string => `(
    SELECT CASE ${OF_A_ROLE}
      WHEN x.grantee IS NOT NULL THEN pg_catalog.format('role %I may create in it', COALESCE(g.rolname, 'public'))
    END
    FROM pg_catalog.pg_namespace AS n
      JOIN pg_catalog.pg_roles AS o ON ${is("o.oid", "n.nspowner")}
      LEFT JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS x ON ${is("x.privilege_type", "'CREATE'")}
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS s WHERE ${is("s.oid", "x.grantee")} AND s.rolsuper)
      LEFT JOIN pg_catalog.pg_roles AS g ON ${is("g.oid", "x.grantee")}
    WHERE ${is("n.nspname", literal(name))} LIMIT 1)`

/** Tenants may make trusted extensions, and then add what they like to them. */
export const extensionFault = (name: string): string => `(
    SELECT CASE ${OF_A_ROLE} END
    FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_roles AS o ON ${is("o.oid", "e.extowner")}
    WHERE ${is("e.extname", literal(name))})`

/** A table of ours, and the columns that each of our statements gives a value. */
export interface OwnTable {
  readonly schema: string
  readonly name: string
  readonly columns: ReadonlyArray<string>
}

export const healthCheck: OwnTable = { schema: "public", name: "health_check", columns: ["id", "updated_at"] }
export const subscriptionsDone: OwnTable = {
  schema: "neon",
  name: "drop_subscriptions_done",
  columns: ["id", "timeline_id"]
}
export const migrationId: OwnTable = { schema: "neon_migration", name: "migration_id", columns: ["key", "id"] }

/** As an error names it. */
export const tableName = ({ schema, name }: OwnTable): string => `${schema}.${name}`

/**
 * A table that we made, but for its triggers. Its owner alone can give it rules, defaults, constraints and indexes; but what
 * a role owned may have passed to a superuser. A trigger takes no more than a privilege, which default privileges may give.
 */
export const tableFault = ({ schema, name, columns }: OwnTable): string => `(
    SELECT CASE ${OF_A_ROLE}
      WHEN c.relkind OPERATOR(pg_catalog.<>) 'r' OR c.relpersistence OPERATOR(pg_catalog.<>) 'p' OR c.relispartition
        THEN 'it is no ordinary table'
      WHEN ${isMember("pg_class", "c.oid")} THEN 'it is part of an extension'
      WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE ${is("i.inhrelid", "c.oid")} OR ${is("i.inhparent", "c.oid")})
        THEN 'it inherits or is inherited'
      WHEN EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w WHERE ${is("w.ev_class", "c.oid")}) THEN 'it has a rule'
      WHEN EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE ${is("k.conrelid", "c.oid")}
          AND k.contype OPERATOR(pg_catalog.<>) 'p' AND k.contype OPERATOR(pg_catalog.<>) 'n')
        OR EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE ${is("i.indrelid", "c.oid")}
          AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))
        OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE ${is("a.attrelid", "c.oid")} AND a.atthasdef
          AND (a.attgenerated OPERATOR(pg_catalog.<>) '' OR a.attname OPERATOR(pg_catalog.<>)
            ALL (ARRAY[${columns.map(literal).join(", ")}]::pg_catalog.name[])))
        THEN 'it has constraints, indexes or defaults that are not ours'
      WHEN EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
          JOIN (
            SELECT 'pg_catalog.pg_class'::pg_catalog.regclass AS class, c.oid AS object
            UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid
              FROM pg_catalog.pg_index AS i WHERE ${is("i.indrelid", "c.oid")}
            UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, f.oid
              FROM pg_catalog.pg_attrdef AS f WHERE ${is("f.adrelid", "c.oid")}
            UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid
              FROM pg_catalog.pg_constraint AS k WHERE ${is("k.conrelid", "c.oid")}
          ) AS part ON ${is("d.classid", "part.class")} AND ${is("d.objid", "part.object")}
          WHERE d.refclassid OPERATOR(pg_catalog.<>) ALL (ARRAY['pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid,
            'pg_catalog.pg_namespace'::pg_catalog.regclass, 'pg_catalog.pg_constraint'::pg_catalog.regclass])
      ) THEN 'it uses types or functions that are not the server''s own'
    END
    FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON ${is("n.oid", "c.relnamespace")}
      JOIN pg_catalog.pg_roles AS o ON ${is("o.oid", "c.relowner")}
    WHERE ${is("n.nspname", literal(schema))} AND ${is("c.relname", literal(name))})`

/** The triggers on a table of ours, which has none of its own, as a JSON list of names. */
export const triggersOf = ({ schema, name }: OwnTable): string => `(
    SELECT COALESCE(pg_catalog.json_agg(t.tgname), '[]'::pg_catalog.json) FROM pg_catalog.pg_trigger AS t
      JOIN pg_catalog.pg_class AS c ON ${is("c.oid", "t.tgrelid")}
      JOIN pg_catalog.pg_namespace AS n ON ${is("n.oid", "c.relnamespace")}
    WHERE ${is("n.nspname", literal(schema))} AND ${is("c.relname", literal(name))} AND NOT t.tgisinternal)`

/** Who has rights on a table of ours besides its owner, as a JSON list of names; null stands for all. */
export const granteesOf = ({ schema, name }: OwnTable): string => `(
    SELECT COALESCE(pg_catalog.json_agg(DISTINCT g.rolname), '[]'::pg_catalog.json) FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON ${is("n.oid", "c.relnamespace")}
      CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS x
      LEFT JOIN pg_catalog.pg_roles AS g ON ${is("g.oid", "x.grantee")}
    WHERE ${is("n.nspname", literal(schema))} AND ${is("c.relname", literal(name))}
      AND x.grantee OPERATOR(pg_catalog.<>) c.relowner)`

/** Why nothing may be written to it. */
export const writeFault = (table: OwnTable): string =>
  anyFault(
    tableFault(table),
    `(SELECT pg_catalog.format('it has the trigger %I', t.name)
      FROM pg_catalog.json_array_elements_text(${triggersOf(table)}) AS t (name) LIMIT 1)`
  )

/** A view of ours. */
export const viewFault = (schema: string, name: string, origin: Origin): string => `(
    SELECT CASE ${OF_A_ROLE}
      WHEN c.relkind OPERATOR(pg_catalog.<>) 'v' THEN 'it is no view'
      WHEN NOT ${isFrom("pg_class", "c.oid", origin)} THEN ${notFrom(origin)}
    END
    FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON ${is("n.oid", "c.relnamespace")}
      JOIN pg_catalog.pg_roles AS o ON ${is("o.oid", "c.relowner")}
    WHERE ${is("n.nspname", literal(schema))} AND ${is("c.relname", literal(name))})`

/** All functions of a name, whatever their arguments: a call may take any of them. */
export const functionFault = (schema: string, name: string, origin: Origin): string => `(
    SELECT CASE ${OF_A_ROLE}
      WHEN p.prokind OPERATOR(pg_catalog.<>) 'f' THEN 'it is no function'
      ELSE ${notFrom(origin)}
    END
    FROM pg_catalog.pg_proc AS p
      JOIN pg_catalog.pg_namespace AS n ON ${is("n.oid", "p.pronamespace")}
      JOIN pg_catalog.pg_roles AS o ON ${is("o.oid", "p.proowner")}
    WHERE ${is("n.nspname", literal(schema))} AND ${is("p.proname", literal(name))}
      AND NOT (o.rolsuper AND ${is("p.prokind", "'f'")} AND ${isFrom("pg_proc", "p.oid", origin)})
    LIMIT 1)`

/** Of a schema `n` with owner `o`, in the database of `k`. */
const FOREIGN = `NOT (o.rolsuper OR (${is("o.rolname", "'pg_database_owner'")} AND k.rolsuper))`

const ofSchema = (name: string, condition: string) => `COALESCE((
    SELECT ${condition}
    FROM pg_catalog.pg_namespace AS n
      JOIN pg_catalog.pg_roles AS o ON ${is("o.oid", "n.nspowner")}
      JOIN pg_catalog.pg_database AS d ON ${is("d.datname", "pg_catalog.current_database()")}
      JOIN pg_catalog.pg_roles AS k ON ${is("k.oid", "d.datdba")}
    WHERE ${is("n.nspname", literal(name))}), false)`

/** Whether somebody who is no superuser may rename a schema, and drop what is in it. */
export const isMovable = (name: string): string => ofSchema(name, FOREIGN)

/** Whether such a one may do that, or make something in it, and so have kept us from making ours. */
export const isOpen = (name: string): string =>
  ofSchema(
    name,
    `${FOREIGN} OR EXISTS (SELECT FROM pg_catalog.aclexplode(n.nspacl) AS x
        LEFT JOIN pg_catalog.pg_roles AS g ON ${is("g.oid", "x.grantee")}
        WHERE ${is("x.privilege_type", "'CREATE'")} AND x.grantee OPERATOR(pg_catalog.<>) n.nspowner
          AND NOT COALESCE(g.rolsuper, false))`
  )

/**
 * The owner of a schema may rename it between our look and our statement, and put another one in its place. While its row
 * is locked it keeps its name. Nothing is written; a server in recovery refuses.
 */
export const holdSchema = (name: string): string =>
  `SELECT FROM pg_catalog.pg_namespace AS n WHERE ${is("n.nspname", literal(name))} FOR SHARE`
