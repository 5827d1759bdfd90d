/**
 * Which proxy a request goes through, if any, by the variables that other programs on the machine go by too.
 *
 * Source: reqwest's proxies of the system, which the stores of a compute were asked through so far.
 */
import * as Redacted from "effect/Redacted"

type Environment = Readonly<Record<string, string | undefined>>

export interface Proxies {
  /** For URLs of this scheme. May hold a name and a password. */
  readonly http: Redacted.Redacted<URL> | null
  readonly https: Redacted.Redacted<URL> | null
  /** Whom is gone to directly: a name without brackets, in lower case. */
  readonly excepts: (host: string) => boolean
  /** Values that name no proxy we could use, by their variables. */
  readonly warnings: ReadonlyArray<string>
}

/** `proxy:3128` is one too. Null for schemes that we do not speak. */
const parseProxy = (text: string): URL | null => {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  if (!URL.canParse(url)) return null
  const proxy = new URL(url)
  return proxy.protocol === "http:" || proxy.protocol === "https:" ? proxy : null
}

interface Address {
  readonly bits: 32 | 128
  readonly value: bigint
}

const join = (parts: ReadonlyArray<number>, bits: number) =>
  parts.reduce((value, part) => (value << BigInt(bits)) | BigInt(part), 0n)

const parseAddress = (text: string): Address | null => {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const parts = text.split(".").map(Number)
    return parts.every((part) => part < 256) ? { bits: 32, value: join(parts, 8) } : null
  }
  if (!text.includes(":") || !URL.canParse(`http://[${text}]`)) return null
  // Now in its canonical form: no address of four bytes at its end, one gap at most.
  const [head = "", tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split("::")
  const groups = (half: string) => (half === "" ? [] : half.split(":").map((group) => Number.parseInt(group, 16)))
  const [before, after] = [groups(head), groups(tail ?? "")]
  const gap = Array.from({ length: 8 - before.length - after.length }, () => 0)
  return { bits: 128, value: join([...before, ...gap, ...after], 16) }
}

type Matches = (host: string, address: Address | null) => boolean

const parseNetwork = (text: string): Matches | null => {
  const [, name = "", length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text.replace(/^\[(.*)\]$/, "$1")) ?? []
  const network = parseAddress(name)
  if (network === null) return null
  const kept = length === undefined ? network.bits : Number(length)
  if (kept > network.bits) return null
  const cut = BigInt(network.bits - kept)
  return (_, address) =>
    address !== null && address.bits === network.bits && address.value >> cut === network.value >> cut
}

/** `example.com` and `.example.com` are both that name and every name below it. */
const parseDomain = (text: string): Matches => {
  const domain = text.replace(/^\./, "").toLowerCase()
  return (host, address) => address === null && (host === domain || host.endsWith(`.${domain}`))
}

/** `*` excepts addresses too: whoever writes it wants no proxy. */
const parseException = (text: string): Matches =>
  text === "*" ? () => true : (parseNetwork(text) ?? parseDomain(text))

/**
 * The upper case counts before the lower one, a scheme's own variable before `ALL_PROXY`. Under CGI `HTTP_PROXY` is what a
 * client sent as the header `Proxy`, so there that pair does not count.
 */
export const parseProxies = (env: Environment): Proxies => {
  const warnings: Array<string> = []
  const first = (...names: ReadonlyArray<string>): URL | null => {
    for (const name of names.flatMap((name) => [name, name.toLowerCase()])) {
      const text = env[name]?.trim() ?? ""
      if (text === "") continue
      const proxy = parseProxy(text)
      if (proxy !== null) return proxy
      const scheme = /^[a-z][a-z0-9+.-]*(?=:\/\/)/i.exec(text)?.[0]
      const reason = scheme === undefined ? "is not a URL" : `does not name an HTTP proxy (${scheme})`
      const warning = `${name} ${reason}, so it is ignored`
      if (!warnings.includes(warning)) warnings.push(warning)
    }
    return null
  }
  const http = first(...(env["REQUEST_METHOD"] === undefined ? ["HTTP_PROXY"] : []), "ALL_PROXY")
  const https = first("HTTPS_PROXY", "ALL_PROXY")
  const exceptions = (env["NO_PROXY"] ?? env["no_proxy"] ?? "")
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .map(parseException)
  return {
    http: http === null ? null : Redacted.make(http),
    https: https === null ? null : Redacted.make(https),
    excepts: (host) => {
      const address = parseAddress(host)
      return exceptions.some((matches) => matches(host, address))
    },
    warnings
  }
}

/** Null: the host itself is asked. */
export const proxyOf = (proxies: Proxies, { hostname, protocol }: URL): Redacted.Redacted<URL> | null =>
  proxies.excepts(hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase())
    ? null
    : protocol === "https:"
      ? proxies.https
      : proxies.http
