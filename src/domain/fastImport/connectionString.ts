/**
 * Connection strings for command lines, which every user of the machine can read: what is secret in them goes by the
 * environment or a file. They are read as libpq reads them; one that it could not read is not given to it, because what it
 * says of that repeats the text.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING; `fe-connect.c` (`conninfo_parse`,
 * `conninfo_uri_parse_options`).
 */
import * as Result from "effect/Result"

export interface Separated {
  /** Without secrets. */
  readonly connstr: string
  /** For `PGPASSWORD`. */
  readonly password: string | null
  /** Secrets that only a service file takes: keyword and value. */
  readonly others: ReadonlyArray<readonly [string, string]>
}

const PASSWORD = "password"
const SECRETS = new Set([PASSWORD, "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"])

type Read<A> = Result.Result<A, string>

const decoded = (text: string): Read<string> => {
  try {
    const plain = decodeURIComponent(text)
    return plain.includes("\0") ? Result.fail("a value contains a NUL character") : Result.succeed(plain)
  } catch {
    return Result.fail("a value is not percent-encoded UTF-8")
  }
}

const separated = (connstr: string, found: ReadonlyMap<string, string>, hasService: boolean): Read<Separated> => {
  const others = [...found].filter(([name]) => name !== PASSWORD)
  if (others.length > 0 && hasService) return Result.fail(`${others[0]?.[0]} beside a service`)
  // A line of a service file is a keyword and a value as it stands.
  const lost = others.find(([, value]) => /[\r\n]|\s$/.test(value))
  if (lost !== undefined) return Result.fail(`${lost[0]} has a line break, or ends with white space`)
  return Result.succeed({ connstr, password: found.get(PASSWORD) ?? null, others })
}

interface Query {
  readonly kept: string
  readonly secrets: ReadonlyArray<readonly [string, string]>
  readonly hasService: boolean
}

const ofQuery = (query: string): Read<Query> =>
  Result.gen(function* () {
    const kept: Array<string> = []
    const secrets: Array<readonly [string, string]> = []
    let hasService = false
    for (const pair of query.split("&")) {
      const [, keyword = pair, value = ""] = /^([^=]*)=(.*)$/s.exec(pair) ?? []
      const name = yield* decoded(keyword)
      if (SECRETS.has(name)) secrets.push([name, yield* decoded(value)])
      else kept.push(pair)
      hasService ||= name === "service"
    }
    return { kept: kept.join("&"), secrets, hasService }
  })

const SCHEME = /^postgres(?:ql)?:\/\//i

/** User and password end at the first `@` before a slash. Who forgot to encode one in a password meant the last. */
const ofUri = (scheme: string, rest: string): Read<Separated> =>
  Result.gen(function* () {
    const slash = rest.indexOf("/")
    const first = rest.slice(0, slash < 0 ? rest.length : slash).indexOf("@")
    const end = first < 0 ? 0 : first + 1 + rest.slice(first + 1).search(/[/?]|$/)
    const at = first < 0 ? -1 : rest.lastIndexOf("@", end - 1)
    const [user = "", password] = at < 0 ? [] : rest.slice(0, at).split(/:(.*)/s)
    const [, place = "", query] = /^([^?]*)(?:\?(.*))?$/s.exec(rest.slice(at + 1)) ?? []
    const { hasService, kept, secrets } = yield* ofQuery(query ?? "")
    const all = new Map<string, string>()
    if (password !== undefined) all.set(PASSWORD, yield* decoded(password))
    for (const [name, value] of secrets) all.set(name, value)
    const shown = `${scheme}${at < 0 ? "" : `${user}@`}${place}${kept === "" ? "" : `?${kept}`}`
    return yield* separated(shown, all, hasService)
  })

/** White space of libpq's. */
const PAIR =
  /[ \t-\r]*(?:([^=\s]+)[ \t-\r]*)?=[ \t-\r]*(?:'((?:[^'\\]|\\.)*)'|((?:[^ \t-\r'\\]|\\.)(?:[^ \t-\r\\]|\\.)*\\?|\\?))/gsy

const ofKeywords = (connstr: string): Read<Separated> => {
  const kept: Array<string> = []
  const found = new Map<string, string>()
  let hasService = false
  let end = 0
  for (const match of connstr.matchAll(PAIR)) {
    const [whole, name = "", quoted, plain = ""] = match
    end = match.index + whole.length
    hasService ||= name === "service"
    if (SECRETS.has(name)) found.set(name, (quoted ?? plain).replace(/\\(.?)/gs, "$1"))
    else kept.push(whole.trim())
  }
  if (connstr.slice(end).trim() !== "") return Result.fail('a keyword has no "=", or a quote does not close')
  return separated(kept.join(" "), found, hasService)
}

/** Fails with why it cannot be read, without any of its text. */
export const separate = (connstr: string): Result.Result<Separated, string> => {
  const scheme = SCHEME.exec(connstr)?.[0]
  if (scheme !== undefined) return ofUri(scheme, connstr.slice(scheme.length))
  const [head = ""] = connstr.split(/[=\s]/, 1)
  if (/^\w+:/.test(head) && head.includes("@")) return Result.fail("its scheme is not postgresql://")
  // Anything else without one is the name of a database.
  return connstr.includes("=") ? ofKeywords(connstr) : Result.succeed({ connstr, password: null, others: [] })
}
