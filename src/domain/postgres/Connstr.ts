/**
 * What we need to know of a libpq connection string ourselves.
 */
const DEFAULT_PORT = 5432

/** The port of the first host, from a URI or from `key=value` pairs; 5432 when none is given. */
export const connstrPort = (connstr: string): number => {
  const authority = /^postgres(?:ql)?:\/\/([^/?#]*)/.exec(connstr)?.[1]
  const inUri = authority?.split("@").at(-1)?.split(",")[0]
  const text =
    (inUri === undefined ? undefined : /:(\d+)$/.exec(inUri)?.[1]) ??
    /(?:^|[\s?&])port\s*=\s*'?(\d+)/.exec(connstr)?.[1]
  return text === undefined ? DEFAULT_PORT : Number(text)
}
