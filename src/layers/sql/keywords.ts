/**
 * libpq's connection strings of keywords: `host=localhost dbname='a b'`.
 *
 * Source: PostgreSQL documentation, "Connection Strings".
 */
export const keywords = (text: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const [, key = "", quoted, bare] of text.matchAll(
    /(?<![a-z_])([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s\\]|\\.)*))/g
  )) {
    found.set(key, (quoted ?? bare ?? "").replace(/\\(.)/g, "$1"))
  }
  return found
}
