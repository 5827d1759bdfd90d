/**
 * Connection strings for command lines, which every user of the machine can read: the password goes by the environment.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
 */

export interface WithoutPassword {
  readonly connstr: string
  /** Null when there is none, or the text cannot be understood: then it is passed on as it is. */
  readonly password: string | null
}

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

const URI = /^(postgres(?:ql)?:\/\/)([^/?]*)(.*)$/is
const QUERY_PASSWORD = /(?<=[?&])password=([^&#]*)&?/g

const ofUri = (connstr: string, [, scheme = "", authority = "", rest = ""]: RegExpExecArray): WithoutPassword => {
  const at = authority.lastIndexOf("@")
  const [user = "", inAuthority] = at < 0 ? [] : authority.slice(0, at).split(/:(.*)/s)
  const inQuery = [...rest.matchAll(QUERY_PASSWORD)].at(-1)?.[1]
  const password = decoded(inQuery ?? inAuthority ?? "")
  if (password === null || (inQuery === undefined && inAuthority === undefined)) return { connstr, password: null }
  const stripped = rest.replace(QUERY_PASSWORD, "").replace(/[?&]$/, "")
  return { connstr: `${scheme}${at < 0 ? "" : `${user}@`}${authority.slice(at + 1)}${stripped}`, password }
}

const PAIR = /\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/gsy

const ofKeywords = (connstr: string): WithoutPassword => {
  const kept: Array<string> = []
  let password: string | null = null
  let end = 0
  for (const match of connstr.matchAll(PAIR)) {
    end = match.index + match[0].length
    if (match[1] === "password") password = (match[2] ?? match[3] ?? "").replace(/\\(.)/gs, "$1")
    else kept.push(match[0].trim())
  }
  const isUnderstood = connstr.slice(end).trim() === ""
  return password === null || !isUnderstood ? { connstr, password: null } : { connstr: kept.join(" "), password }
}

export const withoutPassword = (connstr: string): WithoutPassword => {
  const uri = URI.exec(connstr)
  return uri === null ? ofKeywords(connstr) : ofUri(connstr, uri)
}
