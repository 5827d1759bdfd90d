/**
 * Where and as whom we connect.
 */
import * as Result from "effect/Result"
import { parse } from "../../domain/postgres/ConnectionString.ts"
import { limitOptions } from "../../domain/postgres/session/SessionLimits.ts"
import { type Circumstances, sessionOptions } from "../../domain/postgres/session/SessionOptions.ts"
import type { SqlFailed } from "./errors.ts"
import { connectFailed } from "./failures.ts"
import { purposeOf, type SessionOptions } from "./session/SqlSession.ts"

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

/**
 * What our sessions and libpq's programs understand. `superuser`: the old one in place of the one of the connection string.
 * No TLS unless that asks for it: the server is our own and on this machine.
 */
const configOf = (connstr: string, options: SessionOptions, circumstances: Circumstances, superuser?: "zenith_admin") =>
  Result.map(parse(options.connstr ?? connstr, "localhost"), (connection) => {
    const user = superuser ?? connection.user ?? "cloud_admin"
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
      ...(connection.options === null ? [] : [connection.options])
    ]
    return {
      connection,
      host: connection.addresses[0]?.host ?? "localhost",
      port: connection.addresses[0]?.port ?? 5432,
      user,
      password: connection.password ?? "",
      database: options.database ?? connection.database ?? "postgres",
      options: given.join(" "),
      applicationName: (options.connstr !== undefined && connection.applicationName) || options.applicationName
    }
  })

export type ClientConfig = Result.Result.Success<ReturnType<typeof configOf>>

export const clientConfig = (...given: Parameters<typeof configOf>): Result.Result<ClientConfig, SqlFailed> =>
  Result.mapError(configOf(...given), connectFailed)
