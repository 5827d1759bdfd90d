/**
 * Takes secrets out of texts that are about to leave the process: logs, spans, errors. The last net; values known to be
 * secret are `Redacted` and never get this far.
 */
const HIDDEN = "<redacted>"

/** What follows the schemes of an `Authorization` header. */
const scheme = /\b(Bearer|Basic)(\s+|%20)[A-Za-z0-9._~+/=-]+/gi
/** Three parts of base64url, the first of which is a JSON object. */
const jsonWebToken = /\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g
/** `scheme://user:password@host`. A password may hold anything but a slash, white space or `@`. */
const userInfo = /(\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s/:@"']*):[^\s/@"']*@/gi
/**
 * `password=x`, `password='x y'`, `"storage_auth_token": "x"`, `NEON_AUTH_TOKEN=x`; also as a query parameter.
 * A colon counts behind a quoted name only: errors say `invalid token: reason`.
 */
const keyed =
  /((?:\b|_)(?:password|passwd|pgpassword|secret|token|jwt|api_?key)(?:\s*=\s*|\\?["']\s*[=:]\s*))(\\?"(?:[^"\\]|\\[^"])*\\?"|'(?:[^'\\]|\\.)*'|[^\s,;&"'{}[\])]+)/gi
/** `PASSWORD 'x'` of a role statement. */
const statement = /(\bPASSWORD\s+)E?'(?:[^'\\]|''|\\.)*'/gi
const verifier = /\bSCRAM-SHA-256\$[^\s"',;)]+|\bmd5[0-9a-f]{32}\b/g

/** True of names whose whole value is secret, whatever it looks like. */
export const isSecretName = (name: string): boolean =>
  /(^|[._-])(authorization|cookie|password|passwd|secret|token|jwt)$/i.test(name)

export const redact = (text: string): string =>
  text
    .replace(scheme, (_, name: string, space: string) => `${name}${space}${HIDDEN}`)
    .replace(userInfo, (_, head: string) => `${head}:${HIDDEN}@`)
    .replace(statement, (_, head: string) => `${head}'${HIDDEN}'`)
    .replace(keyed, (whole: string, head: string, value: string) =>
      value.startsWith(HIDDEN) || /^(null|none|true|false)$/i.test(value) ? whole : `${head}${HIDDEN}`
    )
    .replace(jsonWebToken, HIDDEN)
    .replace(verifier, HIDDEN)
