/**
 * Where and as whom we connect.
 */
import { type ConnectionOptions as ParsedUri, parse } from "pg-connection-string"
import { limitOptions } from "../../domain/postgres/SessionLimits.ts"
import { type Circumstances, sessionOptions } from "../../domain/postgres/SessionOptions.ts"
import { keywords } from "./keywords.ts"
import { purposeOf, type SessionOptions } from "./SqlSession.ts"

/**
 * Password verifiers must not get into the log of Postgres, neither with a statement nor as its parameter, nor what we do
 * into its users' statistics.
 */
const UNLOGGED = [
  "log_min_error_statement=panic",
  "log_statement=none",
  "log_min_duration_statement=-1",
  "log_min_duration_sample=-1",
  "log_transaction_sample_rate=0",
  "log_parameter_max_length=0",
  "auto_explain.log_min_duration=-1",
  "pg_stat_statements.track=none"
]
  .map((setting) => `-c ${setting}`)
  .join(" ")
const MAINTENANCE = `-c neon.forward_ddl=false ${UNLOGGED}`

/**
 * A statement whose client is gone, ours killed or a program of libpq's, would wait for its lock for ever. Not every system
 * can tell the server, and one that cannot refuses the setting.
 */
const NOTICES_GONE = process.platform === "linux" ? ["-c client_connection_check_interval=2000"] : []

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

/** A URI, or libpq's pairs of keyword and value. */
const parsed = (connstr: string): ParsedUri => {
  if (/^(?:\/|[a-z]+:)/i.test(connstr)) return parse(connstr)
  const given = keywords(connstr)
  const { dbname, host, password, port, user, ...rest } = Object.fromEntries(given)
  return {
    host: host ?? null,
    port: port ?? null,
    database: dbname ?? null,
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...rest
  }
}

/**
 * What the driver's client and libpq's programs understand. `user`: the old superuser in place of the one of the
 * connection string.
 */
export const clientConfig = (
  connstr: string,
  options: SessionOptions,
  circumstances: Circumstances,
  superuser?: "zenith_admin"
) => {
  const target = parsed(options.connstr ?? connstr)
  const user = superuser ?? (target.user || "cloud_admin")
  // Whoever else is named for a purpose of its own need not be a member of our role, or there is none.
  const role = superuser ?? (options.connstr === undefined || user === "cloud_admin" ? "cloud_admin" : "none")
  const purpose = purposeOf(options)
  const given = [
    sessionOptions(role, circumstances),
    limitOptions("question"),
    ...NOTICES_GONE,
    ...(options.maintenance === true ? [MAINTENANCE] : []),
    ...(purpose === "question" ? [] : [limitOptions(purpose)]),
    ...(options.moreOptions === undefined ? [] : [options.moreOptions]),
    ...(typeof target.options === "string" ? [target.options] : [])
  ]
  return {
    host: target.host ?? "localhost",
    port: target.port === undefined || target.port === null || target.port === "" ? 5432 : Number(target.port),
    user,
    password: target.password ?? "",
    database: options.database ?? target.database ?? "postgres",
    options: given.join(" "),
    application_name: (options.connstr !== undefined && target.application_name) || options.applicationName,
    ssl: tlsOf(target)
  }
}
export type ClientConfig = ReturnType<typeof clientConfig>
