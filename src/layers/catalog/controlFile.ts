/**
 * One extension's control file, read by the server. `pg_available_extensions()` reads those of all extensions, and a
 * single one that cannot be parsed fails it.
 *
 * Source: PostgreSQL `src/backend/commands/extension.c` (`find_extension_control_filename`).
 */

/** Bytes. */
const MOST = 65_536

/** Its bytes as text, backslashes and what is not ASCII as escapes: it may be in any encoding. NULL when there is none. */
export const fileText = (path: string): string =>
  `pg_catalog.encode(pg_catalog.pg_read_binary_file(${path}, 0, ${MOST}, true), 'escape')`

/**
 * The folder that has the control file, and its text, as rows `base`, `content` in the order in which the server would
 * take them. Since version 18 there may be several folders. `name`: an expression for the extension's name.
 */
export const controlFileRows = (name: string): string => `SELECT f.base, f.content FROM (
    SELECT d.base, d.at, ${fileText(`d.base OPERATOR(pg_catalog.||) '/extension/' OPERATOR(pg_catalog.||) ${name} OPERATOR(pg_catalog.||) '.control'`)} AS content
    FROM (
      SELECT p.at, CASE WHEN pg_catalog.starts_with(p.dir, '$system')
          THEN c.setting OPERATOR(pg_catalog.||) pg_catalog.substr(p.dir, 8) ELSE p.dir END AS base
      FROM pg_catalog.pg_config() c,
        pg_catalog.unnest(pg_catalog.string_to_array(
          coalesce((SELECT given FROM pg_catalog.current_setting('extension_control_path', true) given
            WHERE given OPERATOR(pg_catalog.<>) ''), '$system'), ':'
        )) WITH ORDINALITY p (dir, at)
      WHERE c.name OPERATOR(pg_catalog.=) 'SHAREDIR' AND p.dir OPERATOR(pg_catalog.<>) ''
    ) d
  ) f WHERE f.content IS NOT NULL ORDER BY f.at LIMIT 1`
