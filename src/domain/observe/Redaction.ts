/**
 * Takes secrets out of texts that are about to leave the process: logs, spans, errors. The last net; values known to be
 * secret are `Redacted` and never get this far.
 *
 * Whoever reaches a port writes into these texts, so each pattern costs no more than in proportion to their length.
 */
import { withinBytes } from "../json/Excerpt.ts"

const HIDDEN = "<redacted>"

/** What follows the schemes of an `Authorization` header. */
const scheme = /\b(Bearer|Basic)(\s+|%20)[A-Za-z0-9._~+/=-]+/gi
/** `scheme://user:password@host`. A password may hold anything but a slash, white space or `@`. */
const userInfo = /(?<=[a-z0-9+.-])(:\/\/[^\s/:@"']*):[^\s/@"']*@/gi
/**
 * `password=x`, `password='x y'`, `PGPASSWORD=x`, `"secret": "x"`; also as a query parameter. A colon counts behind a quoted
 * name only: errors say `invalid token: reason`. A quote that never closes belongs to a text that was cut. Without quotes it
 * is as libpq reads it: whatever is in it, it goes on to white space that no backslash precedes.
 */
const chosen =
  /((?:\b|_)(?:(?:ssl|pg)?password|passwd|passphrase|secret)(?:\s*=\s*|\\?["']\s*[=:]\s*))(\\?"(?:[^"\\]|\\[^"])*(?:\\?"|\\?$)|'(?:[^'\\]|\\.)*(?:'|\\?$)|(?:[^\s&"'\\]|\\[^"'])+)/gis
/** `"storage_auth_token": "x"`, `NEON_AUTH_TOKEN=x`: what was made, and has letters and digits where it has no quotes. */
const made =
  /((?:\b|_)(?:token|jwt|(?:api|access|private|secret|signing|encryption|service_role)[_-]?key)(?:\s*=\s*|\\?["']\s*[=:]\s*))(\\?"(?:[^"\\]|\\[^"])*(?:\\?"|\\?$)|'(?:[^'\\]|\\.)*(?:'|\\?$)|[^\s,;&"'{}[\])]+)/gis
/** What Postgres logs when a setting has changed. */
const changed = /(\bparameter "([^"\n]*)" changed to ")[^\n]*"/g
/** `PASSWORD 'x'` of a role statement. */
const statement = /(\bPASSWORD\s+)E?'(?:[^'\\]|''|\\.)*(?:'|\\?$)/gis
const verifier = /\bSCRAM-SHA-256\$[^\s"',;)]+|\bmd5[0-9a-f]{32}\b/g

/** What a token may be a part of; its parts are looked at one by one, since they look alike. */
const dotted = /[A-Za-z0-9_.-]+/g
const TOKEN_HEAD = "eyJ"
/** Characters of base64url that the shortest head has. */
const SHORTEST_HEAD = 8

/** Three parts of base64url, the first of which is a JSON object; two when the second one is cut or an object too. */
const withoutTokens = (run: string): string => {
  if (!run.includes(TOKEN_HEAD)) return run
  const parts = run.split(".")
  const kept: Array<string> = []
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index] ?? ""
    const next = parts[index + 1] ?? ""
    const at = part.indexOf(TOKEN_HEAD)
    const begins = at >= 0 && part.length - at >= SHORTEST_HEAD && next !== ""
    if (begins && (index + 2 < parts.length || next.startsWith(TOKEN_HEAD))) {
      kept.push(part.slice(0, at) + HIDDEN)
      index += 2
    } else {
      kept.push(part)
    }
  }
  return kept.join(".")
}

const secretName =
  /(^|[._-])(authorization|cookie|credentials?|passphrase_command|(?:ssl|pg)?password|passwd|passphrase|secret|token|jwt|(?:api|access|private|secret|signing|encryption|service_role)[_-]?key)$/i

/** True of names whose whole value is secret, whatever it looks like. */
export const isSecretName = (name: string): boolean => secretName.test(name)

const withoutValue = (whole: string, head: string, value: string): string =>
  value.startsWith(HIDDEN) || /^(null|none|true|false)$/i.test(value) ? whole : `${head}${HIDDEN}`

export const redact = (text: string): string => {
  const hidden = text
    .replace(scheme, (_, name: string, space: string) => `${name}${space}${HIDDEN}`)
    .replace(userInfo, (_, head: string) => `${head}:${HIDDEN}@`)
    .replace(statement, (_, head: string) => `${head}'${HIDDEN}'`)
    .replace(chosen, withoutValue)
    .replace(made, withoutValue)
    .replace(changed, (whole: string, head: string, name: string) => (isSecretName(name) ? `${head}${HIDDEN}"` : whole))
    .replace(verifier, HIDDEN)
  return hidden.includes(TOKEN_HEAD) ? hidden.replace(dotted, withoutTokens) : hidden
}

/** Characters that are looked through before a text is cut. */
const SEARCHED = 64 * 1024

/** As much as fits into so many bytes. Cut behind the search for secrets: half a secret looks like no secret. */
export const redactWithin = (text: string, most: number): string => withinBytes(redact(text.slice(0, SEARCHED)), most)
