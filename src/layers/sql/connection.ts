/**
 * Where and as whom we connect.
 */
import { type ConnectionOptions as ParsedUri, parse } from "pg-connection-string"
import type { PoolOptions, SessionOptions } from "./SqlSession.ts"

/**
 * Users may set per-database defaults that would break our sessions: a role without our rights, read only, a search path with
 * their functions, a tiny timeout. Configuration noise must not flood an audit log either.
 */
const PROTECTION =
  "-c role=cloud_admin -c default_transaction_read_only=off -c search_path='' -c statement_timeout=0 -c pgaudit.log=none"

/** The clusters of the first images have this superuser only. */
const OLD_PROTECTION =
  "-c role=zenith_admin -c default_transaction_read_only=off -c search_path='' -c statement_timeout=0"

/** Statements with password verifiers in them must not get into the log of Postgres, neither failing nor slow ones. */
const UNLOGGED = "-c log_min_error_statement=panic -c log_statement=none -c log_min_duration_statement=-1"
const MAINTENANCE = `-c neon.forward_ddl=false -c lock_timeout=60000 ${UNLOGGED}`

/** No TLS unless the URI asks for it: the server is our own and on this machine. */
const tlsOf = ({ ssl, sslmode }: ParsedUri) => {
  if (sslmode === "disable" || ssl === undefined || ssl === false || ssl === "false") return false
  if (typeof ssl !== "object") return true
  const { ca, cert, key, rejectUnauthorized } = ssl
  return {
    ...(ca !== undefined && { ca }),
    ...(typeof cert === "string" && { cert }),
    ...(key !== undefined && { key }),
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized })
  }
}

/** What both the driver's client and its pool understand. */
export const clientConfig = (connstr: string, options: SessionOptions | PoolOptions, user?: "zenith_admin") => {
  const parsed = parse(connstr)
  const maintenance = "maintenance" in options && options.maintenance === true
  const given = [
    user === undefined ? PROTECTION : OLD_PROTECTION,
    ...(maintenance ? [MAINTENANCE] : []),
    ...(options.moreOptions === undefined ? [] : [options.moreOptions]),
    ...(typeof parsed.options === "string" ? [parsed.options] : [])
  ]
  return {
    host: parsed.host ?? "localhost",
    port: parsed.port === undefined || parsed.port === null || parsed.port === "" ? 5432 : Number(parsed.port),
    user: user ?? parsed.user ?? "cloud_admin",
    password: parsed.password ?? "",
    database: options.database ?? parsed.database ?? "postgres",
    options: given.join(" "),
    application_name: options.applicationName,
    ssl: tlsOf(parsed)
  }
}
export type ClientConfig = ReturnType<typeof clientConfig>
