/**
 * What a tenant can put in the way of a name: in every schema that a search path could reach, one function, operator, type
 * and view for each that Postgres itself has, of the same name and the same arguments. Each trips the canary: a line in the
 * server's log, which no rollback takes back.
 */
const TRIPPED = "canary tripped: "

/**
 * The canary lines of a log, but for those of a tenant's own sessions. Functions over "any" cannot be written in SQL: theirs
 * is the error of a function that has no other.
 */
export const trips = (log: string): ReadonlyArray<string> =>
  log
    .split("\n")
    .filter(
      (line) =>
        (line.includes(TRIPPED) && line.includes("in a session of cloud_admin")) ||
        line.includes("cannot accept a value of type pg_node_tree")
    )

/**
 * A schema of two single quotes, which is what an option text with quotes in it named, and the one that is in every default;
 * in both is everything. The user's and whatever else a path may say hold what is called most.
 */
export const schemas: ReadonlyArray<{ readonly name: string; readonly whole: boolean }> = [
  { name: "''", whole: true },
  { name: "public", whole: true },
  ...['""', "cloud_admin", "$user"].map((name) => ({ name, whole: false }))
]

const MOST_CALLED =
  "{json_build_object,json_agg,row_to_json,count,format,now,current_setting,set_config,to_regclass,pg_has_role,unnest}"

/** Runs before `shadows`, once in a database. */
export const canary = `
CREATE SCHEMA canary;
GRANT USAGE ON SCHEMA canary TO PUBLIC;
CREATE FUNCTION canary.trip(what text) RETURNS bool LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE LOG '${TRIPPED}% in % as % in a session of %', what, current_database(), current_user, session_user;
  RETURN true;
END $$;
CREATE FUNCTION canary.on_trigger() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM canary.trip('trigger on ' || TG_TABLE_NAME);
  RETURN NEW;
END $$;
CREATE FUNCTION canary.on_event() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM canary.trip('event trigger at ' || TG_EVENT || ' of ' || TG_TAG);
END $$;`

/** As many as the version has; only superusers make them, whom some distributions let others be for it. */
export const eventTriggers = (major: number) =>
  ["ddl_command_start", "ddl_command_end", "sql_drop", "table_rewrite", ...(major >= 17 ? ["login"] : [])]
    .map((event) => `CREATE EVENT TRIGGER canary_${event} ON ${event} EXECUTE FUNCTION canary.on_event();`)
    .join("\n")

/** One object after the other, each in a subtransaction: a few of Postgres' own cannot be imitated. */
const each = (query: string, statement: string, otherwise = "NULL") => `
  FOR it IN ${query} LOOP
    BEGIN
      EXECUTE ${statement};
    EXCEPTION WHEN OTHERS THEN
      BEGIN
        EXECUTE ${otherwise};
      EXCEPTION WHEN OTHERS THEN
        failed := failed + 1;
      END;
    END;
  END LOOP;`

const functions = each(
  `SELECT proname AS name, pg_get_function_arguments(oid) AS arguments, pg_get_function_result(oid) AS result,
      CASE WHEN proretset OR prorettype = 'void'::regtype OR proargmodes IS NOT NULL THEN 'RETURN' ELSE 'RETURN NULL' END AS ending
    FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'w')
      AND (whole OR proname = ANY ('${MOST_CALLED}'))`,
  `format('CREATE FUNCTION %I.%I(%s) RETURNS %s LANGUAGE plpgsql AS $body$ BEGIN PERFORM canary.trip(%L); %s; END $body$',
    place, it.name, it.arguments, it.result, format('function %s(%s)', it.name, it.arguments), it.ending)`,
  `format('CREATE FUNCTION %I.%I(%s) RETURNS %s LANGUAGE internal AS ''pg_node_tree_in''',
    place, it.name, it.arguments, it.result)`
)

/** A transition function of its own for each, called with the first row. */
const aggregates = each(
  `SELECT p.oid, proname AS name, CASE pronargs WHEN 0 THEN '*' ELSE pg_get_function_arguments(p.oid) END AS arguments,
      format_type(prorettype, NULL) AS result,
      concat_ws(', ', format_type(prorettype, NULL), nullif(pg_get_function_arguments(p.oid), '')) AS step
    FROM pg_proc p WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'a'
      AND (whole OR proname = ANY ('${MOST_CALLED}'))`,
  `format('CREATE FUNCTION %1$I.step_%2$s(%3$s) RETURNS %4$s LANGUAGE plpgsql AS $body$
      BEGIN PERFORM canary.trip(%5$L); RETURN NULL; END $body$;
      CREATE AGGREGATE %1$I.%6$I(%7$s) (SFUNC = %1$I.step_%2$s, STYPE = %4$s)',
    place, it.oid, it.step, it.result, 'aggregate ' || it.name, it.name, it.arguments)`,
  `format('CREATE FUNCTION %1$I.step_%2$s(%3$s) RETURNS %4$s LANGUAGE internal AS ''pg_node_tree_in'';
      CREATE AGGREGATE %1$I.%5$I(%6$s) (SFUNC = %1$I.step_%2$s, STYPE = %4$s)',
    place, it.oid, it.step, it.result, it.name, it.arguments)`
)

const operators = each(
  `SELECT oid, oprname AS name, nullif(oprleft, 0) AS left, oprright AS right, format_type(oprresult, NULL) AS result
    FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprresult <> 0
      AND (whole OR oprname IN ('=', '<>', '>='))`,
  `format('CREATE FUNCTION %1$I.operator_%2$s(%3$s) RETURNS %4$s LANGUAGE plpgsql AS $body$
      BEGIN PERFORM canary.trip(%5$L); RETURN NULL; END $body$;
      CREATE OPERATOR %1$I.%6$s (%7$s RIGHTARG = %8$s, FUNCTION = %1$I.operator_%2$s)',
    place, it.oid, concat_ws(', ', format_type(it.left, NULL), format_type(it.right, NULL)), it.result,
    format('operator %s (%s, %s)', it.name, format_type(it.left, NULL), format_type(it.right, NULL)), it.name,
    'LEFTARG = ' || format_type(it.left, NULL) || ',', format_type(it.right, NULL))`
)

/**
 * Postgres' own functions and operators go before others of the same arguments. What it has to convert an argument for, it
 * would rather find with no conversion: an operator between an oid and an integer, a function of two texts and not of anything.
 */
const nearer = [
  each(
    `SELECT o.name, l.type AS left, r.type AS right FROM unnest('{=,<>,<,<=,>,>=,+,-,||}'::text[]) AS o (name),
      unnest('{oid,int4,int8,text,name,"char",information_schema.sql_identifier}'::regtype[]) AS l (type),
      unnest('{oid,int4,int8,text,name,"char",information_schema.sql_identifier}'::regtype[]) AS r (type)
    WHERE NOT EXISTS (SELECT FROM pg_operator p WHERE p.oprname = o.name AND p.oprleft = l.type AND p.oprright = r.type)`,
    `format('CREATE FUNCTION %1$I.%2$I(%3$s, %4$s) RETURNS bool LANGUAGE plpgsql AS $body$
        BEGIN PERFORM canary.trip(%5$L); RETURN true; END $body$;
        CREATE OPERATOR %1$I.%6$s (LEFTARG = %3$s, RIGHTARG = %4$s, FUNCTION = %1$I.%2$I)',
      place, 'nearer_' || it.name, it.left, it.right, format('operator %s (%s, %s)', it.name, it.left, it.right), it.name)`
  ),
  each(
    `SELECT p.name, repeat(', text', n.n) AS arguments FROM generate_series(0, 30) AS n (n),
      unnest('{json_build_object,jsonb_build_object,json_build_array,concat,format,count}'::text[]) AS p (name)`,
    `format('CREATE FUNCTION %1$I.%2$I(text%3$s) RETURNS json LANGUAGE plpgsql AS $body$
        BEGIN PERFORM canary.trip(%4$L); RETURN NULL; END $body$', place, it.name, it.arguments, 'function ' || it.name)`
  )
].join("")

/** Some columns of Postgres' own are of types that a view cannot have: without them it fails whoever asks for one. */
const relations = ["pg_catalog", "information_schema"]
  .map((schema) =>
    each(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = '${schema}'::regnamespace AND relkind IN ('r', 'v')
        AND (whole OR relname IN ('pg_database', 'pg_roles', 'pg_stat_activity'))`,
      `format('CREATE VIEW %I.%I AS SELECT * FROM ${schema}.%I WHERE canary.trip(%L)', place, it.name, it.name, 'view ' || it.name)`,
      `format('CREATE VIEW %I.%I AS SELECT canary.trip(%L)', place, it.name, 'view ' || it.name)`
    )
  )
  .join("")

/** Last: from here on a name without its schema may be one of these. */
const types = each(
  `SELECT typname AS name FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typelem = 0
      AND (whole OR typname IN ('int4', 'int8', 'text', 'name', 'oid'))`,
  `format('CREATE DOMAIN %I.%I AS pg_catalog.%I CHECK (canary.trip(%L))', place, it.name, it.name, 'type ' || it.name)`
)

/** In the schema of that name, which is made if need be. */
export const shadows = ({ name, whole }: (typeof schemas)[number]) => `
SET search_path = pg_catalog;
SET check_function_bodies = off;
DO $do$
DECLARE
  it record;
  failed int := 0;
  place text := '${name.replaceAll("'", "''")}';
  whole bool := ${whole};
BEGIN
  EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', place);
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', place);
  ${functions}${aggregates}${operators}${nearer}${relations}${types}
  RAISE NOTICE 'not imitated: %', failed;
END $do$;
RESET search_path;
RESET check_function_bodies;`
