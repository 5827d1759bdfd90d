/**
 * Connection strings as libpq reads them: URLs and `keyword=value` pairs.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
 */
import * as Result from "effect/Result"
import { excerpt } from "../json/Excerpt.ts"

export type SslMode = "disable" | "prefer" | "require" | "verify-ca" | "verify-full"

export interface Address {
  /** A name, an IP address, or the directory of a Unix socket. */
  readonly host: string
  readonly port: number
}

export interface ConnectionString {
  /** Tried in order. Never empty. */
  readonly addresses: ReadonlyArray<Address>
  readonly user: string | null
  readonly password: string | null
  readonly database: string | null
  readonly options: string | null
  readonly applicationName: string | null
  /** `disable` when the text does not say: the storage network speaks plain text. */
  readonly sslmode: SslMode
  /** File with the certificates to trust; `system` for those of the machine. */
  readonly sslrootcert: string | null
  /** Files with our own certificate and its key. */
  readonly sslcert: string | null
  readonly sslkey: string | null
  /** Seconds; null when the text does not say or says 0. */
  readonly connectTimeout: number | null
}

/** As nobody in particular, without TLS. */
export const plainTo = (address: Address): ConnectionString => ({
  addresses: [address],
  user: null,
  password: null,
  database: null,
  options: null,
  applicationName: null,
  sslmode: "disable",
  sslrootcert: null,
  sslcert: null,
  sslkey: null,
  connectTimeout: null
})

const DEFAULT_PORT = 5432

const sslModes: ReadonlyMap<string, SslMode> = new Map([
  ["disable", "disable"],
  ["allow", "prefer"],
  ["prefer", "prefer"],
  ["require", "require"],
  ["verify-ca", "verify-ca"],
  ["verify-full", "verify-full"]
])

const decoded = (text: string): Result.Result<string, string> =>
  Result.try({ try: () => decodeURIComponent(text), catch: () => "invalid percent-encoding" })

const parsePort = (text: string): Result.Result<number, string> => {
  const port = text === "" ? DEFAULT_PORT : Number(text)
  return /^\d*$/.test(text) && port > 0 && port <= 65535
    ? Result.succeed(port)
    : Result.fail(`invalid port \`${excerpt(text)}\``)
}

const toAddresses = (
  given: ReadonlyArray<string>,
  ports: ReadonlyArray<string>,
  otherwise: string | null
): Result.Result<Array<Address>, string> =>
  Result.gen(function* () {
    const hosts = given.map((host) => host || (otherwise ?? ""))
    if (hosts.every((host) => host === "")) return yield* Result.fail("host is missing")
    if (ports.length > 1 && ports.length !== hosts.length) return yield* Result.fail("invalid number of ports")
    const addresses: Array<Address> = []
    for (const [index, host] of hosts.entries()) {
      addresses.push({ host, port: yield* parsePort(ports[index] ?? ports[0] ?? "") })
    }
    return addresses
  })

type Pairs = ReadonlyMap<string, string>

/** Whose certificate is to be trusted is told for a reason: then it is looked at. */
const sslModeOf = (pairs: Pairs): SslMode | undefined => {
  const root = pairs.get("sslrootcert") ?? ""
  const mode = pairs.get("sslmode") ?? (root === "system" ? "verify-full" : "disable")
  return mode === "require" && root !== "" ? (root === "system" ? "verify-full" : "verify-ca") : sslModes.get(mode)
}

const fromPairs = (pairs: Pairs, host: string | null): Result.Result<ConnectionString, string> =>
  Result.gen(function* () {
    const get = (key: string) => pairs.get(key) || null
    const hosts = get("hostaddr") ?? get("host") ?? ""
    const sslmode = sslModeOf(pairs)
    if (sslmode === undefined) return yield* Result.fail("invalid value for option `sslmode`")
    const timeout = Number(get("connect_timeout") ?? 0)
    return {
      addresses: yield* toAddresses(hosts.split(","), (pairs.get("port") ?? "").split(","), host),
      user: get("user"),
      password: get("password"),
      database: get("dbname"),
      options: get("options"),
      applicationName: get("application_name"),
      sslmode,
      sslrootcert: get("sslrootcert"),
      sslcert: get("sslcert"),
      sslkey: get("sslkey"),
      connectTimeout: timeout > 0 ? timeout : null
    }
  })

/** `h1:p1,[::1]:p2` into hosts and ports. */
const splitAuthority = (text: string): Result.Result<readonly [Array<string>, Array<string>], string> =>
  Result.gen(function* () {
    const hosts: Array<string> = []
    const ports: Array<string> = []
    for (const part of text.split(",")) {
      const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(part)
      if (match === null) return yield* Result.fail(`invalid host \`${excerpt(part)}\``)
      hosts.push(yield* decoded(match[1] ?? match[2] ?? ""))
      ports.push(match[3] ?? "")
    }
    return [hosts, ports] as const
  })

const fromUrl = (rest: string, host: string | null): Result.Result<ConnectionString, string> =>
  Result.gen(function* () {
    const pairs = new Map<string, string>()
    const [beforeQuery = "", queryText] = rest.split(/\?(.*)/s)
    const slash = beforeQuery.indexOf("/")
    const authority = slash < 0 ? beforeQuery : beforeQuery.slice(0, slash)
    const database = slash < 0 ? "" : beforeQuery.slice(slash + 1)
    const at = authority.lastIndexOf("@")
    if (at >= 0) {
      const [user = "", password] = authority.slice(0, at).split(/:(.*)/s)
      pairs.set("user", yield* decoded(user))
      if (password !== undefined) pairs.set("password", yield* decoded(password))
    }
    const [hosts, ports] = yield* splitAuthority(authority.slice(at + 1))
    if (hosts.some((host) => host !== "")) pairs.set("host", hosts.join(","))
    pairs.set("port", ports.join(","))
    pairs.set("dbname", yield* decoded(database))
    for (const pair of (queryText ?? "").split("&").filter((text) => text !== "")) {
      const [key = "", value = ""] = pair.split(/=(.*)/s)
      pairs.set(yield* decoded(key), yield* decoded(value))
    }
    return yield* fromPairs(pairs, host)
  })

const SPACE = /\s*/y
const PAIR = /([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/y

const fromKeywords = (text: string, host: string | null): Result.Result<ConnectionString, string> => {
  const pairs = new Map<string, string>()
  let at = 0
  for (;;) {
    SPACE.lastIndex = at
    SPACE.test(text)
    if (SPACE.lastIndex === text.length) break
    PAIR.lastIndex = SPACE.lastIndex
    const match = PAIR.exec(text)
    if (match === null) return Result.fail("invalid connection string: expected `keyword=value`")
    pairs.set(match[1] ?? "", (match[2] ?? match[3] ?? "").replace(/\\(.)/gs, "$1"))
    at = PAIR.lastIndex
  }
  return fromPairs(pairs, host)
}

/** Characters. The patterns need memory in proportion to what they look at. */
const LONGEST = 64 * 1024

/**
 * Unknown keywords are ignored. The error never repeats the text: it may hold a password. `host`: where to go when the text
 * does not say.
 */
export const parse = (text: string, host: string | null = null): Result.Result<ConnectionString, string> => {
  if (text.length > LONGEST) return Result.fail("connection string is too long")
  const scheme = /^postgres(?:ql)?:\/\//i.exec(text)
  return scheme === null ? fromKeywords(text, host) : fromUrl(text.slice(scheme[0].length), host)
}

/** The port of the first host; 5432 when none is given, or nobody can connect with the text. */
export const portOf = (text: string): number =>
  Result.match(parse(text, "localhost"), {
    onFailure: () => DEFAULT_PORT,
    onSuccess: ({ addresses: [first] }) => first?.port ?? DEFAULT_PORT
  })
