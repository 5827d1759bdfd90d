/**
 * The one place where text becomes part of SQL or of a configuration file.
 *
 * Source: `libs/compute_api/src/spec.rs`, `compute_tools/src/pg_helpers.rs` (`escape_literal`, `escape_conf_value`, `pg_quote`, `pg_quote_dollar`).
 */

/** Quotes doubled first, then backslashes: what a string constant holds in either syntax. */
const doubled = (text: string): string => text.replaceAll("'", "''").replaceAll("\\", "\\\\")

/** An SQL string constant: `'…'`, or `E'…'` when it holds a backslash. */
export const literal = (text: string): string => {
  const body = doubled(text)
  return body.includes("\\") ? `E'${body}'` : `'${body}'`
}

/**
 * A quoted value of `postgresql.conf`. A line break would end the line inside the quotes, so it is written as the escape
 * that the file's own parser knows.
 */
export const conf = (text: string): string => {
  const body = doubled(text).replaceAll("\n", "\\n").replaceAll("\r", "\\r")
  return `'${body}'`
}

/** An SQL identifier, always quoted. Not idempotent. */
export const ident = (name: string): string => `"${name.replaceAll('"', '""')}"`

/**
 * A dollar-quoted SQL constant, and the tag under which a block that contains this constant can be quoted itself.
 * The tag grows while the text contains it.
 */
export const dollar = (text: string): { readonly quoted: string; readonly outerTag: string } => {
  let tag = "x"
  while (text.includes(tag)) tag += "x"
  return { quoted: `$${tag}$${text}$${tag}$`, outerTag: `${tag}x` }
}
