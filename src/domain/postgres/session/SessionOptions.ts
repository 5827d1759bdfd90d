/**
 * The start-up options of our own sessions. The owner of a database and a role may give settings a value for every session
 * that comes (`ALTER DATABASE ... SET`, `ALTER ROLE ... SET`), ours included; an option of the start-up packet outranks both.
 *
 * Source: PostgreSQL documentation, "Server Configuration" and `pg_settings` (contexts `user` and `backend`) of 14 to 18;
 * `compute_tools/src/compute.rs` for the first five.
 */

import type { ComputeSpec } from "../../spec/ComputeSpec.ts"
import { MAJORS, traitsOf } from "../Majors.ts"

/** `minor` is null as long as only the data directory has been asked. */
export interface ServerVersion {
  readonly major: number
  readonly minor: number | null
}

/** Of `PG_VERSION` (`17`) and of the parameter `server_version` (`15.8 (Debian 15.8-1)`, `18beta1`). */
export const parseServerVersion = (text: string): ServerVersion | null => {
  const [, major, minor] = /^(\d{1,4})(?:\.(\d{1,4}))?/.exec(text.trim()) ?? []
  return major === undefined ? null : { major: Number(major), minor: minor === undefined ? null : Number(minor) }
}

interface Override {
  readonly name: string
  readonly value: string
  /** The first major version that knows it; a server refuses a session for a setting that it does not know. */
  readonly since?: number
}

const group = (settings: Readonly<Record<string, string>>, since?: number): ReadonlyArray<Override> =>
  Object.entries(settings).map(([name, value]) => ({ name, value, ...(since !== undefined && { since }) }))

/** What does not exist, or is forbidden, ends every session before its first statement. */
const LOADING = group({ local_preload_libraries: "" })

/** One millisecond of any of them ends a session or a statement of ours. */
const LIMITS = group({
  lock_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  idle_session_timeout: "0",
  client_connection_check_interval: "0",
  tcp_user_timeout: "0",
  tcp_keepalives_idle: "0",
  tcp_keepalives_interval: "0",
  tcp_keepalives_count: "0"
})

/** Serializable transactions fail when others write; any error would end the session; a table needs a place and a method. */
const TRANSACTIONS = group({
  default_transaction_isolation: "read committed",
  default_transaction_deferrable: "off",
  exit_on_error: "off",
  default_tablespace: "",
  temp_tablespaces: "",
  default_table_access_method: "heap"
})

/** How our statements and their answers are read. */
const TEXT = group({
  standard_conforming_strings: "on",
  backslash_quote: "safe_encoding",
  transform_null_equals: "off",
  array_nulls: "on",
  quote_all_identifiers: "off",
  bytea_output: "hex",
  extra_float_digits: "1",
  DateStyle: "ISO,MDY",
  IntervalStyle: "postgres",
  TimeZone: "GMT",
  client_min_messages: "notice"
})

/** Compiling each statement, planning it by chance for hours, or joining without indexes keeps a look busy for ever. */
const PLANNING = group({
  jit: "off",
  geqo: "off",
  join_collapse_limit: "8",
  from_collapse_limit: "8",
  max_parallel_workers_per_gather: "0",
  work_mem: "4MB",
  hash_mem_multiplier: "2",
  seq_page_cost: "1",
  random_page_cost: "4",
  cpu_tuple_cost: "0.01",
  cpu_index_tuple_cost: "0.005",
  cpu_operator_cost: "0.0025",
  enable_bitmapscan: "on",
  enable_hashagg: "on",
  enable_hashjoin: "on",
  enable_indexonlyscan: "on",
  enable_indexscan: "on",
  enable_material: "on",
  enable_memoize: "on",
  enable_mergejoin: "on",
  enable_nestloop: "on",
  enable_seqscan: "on",
  enable_sort: "on",
  enable_tidscan: "on"
})

/** The trees of a statement hold the verifiers that stand in it, its parameters whatever we ask for. */
const SERVER_LOG = group({
  debug_print_parse: "off",
  debug_print_rewritten: "off",
  debug_print_plan: "off",
  log_parameter_max_length_on_error: "0"
})

/** Known as soon as the library is loaded, a placeholder until then. A table of hints is read in the name of whoever asks. */
const LIBRARIES = group({
  "plpgsql.extra_errors": "none",
  "plpgsql.extra_warnings": "none",
  "plpgsql.check_asserts": "on",
  "pg_hint_plan.enable_hint": "off",
  "pg_hint_plan.enable_hint_table": "off"
})

const LATER = MAJORS.flatMap(({ major, sessionSettings }) => group(sessionSettings, major))

const ALL: ReadonlyArray<Override> = [
  ...LOADING,
  ...LIMITS,
  ...TRANSACTIONS,
  ...TEXT,
  ...PLANNING,
  ...SERVER_LOG,
  ...LIBRARIES,
  ...LATER
]

const RESTRICT = { name: "restrict_nonsystem_relation_kind", value: "" }

/** A version newer than the newest that is known has all that came with that. */
const knowsRestrict = ({ major, minor }: ServerVersion): boolean => {
  const first = traitsOf(Math.min(major, NEWEST.major))?.restrictsViewsSince
  return first !== undefined && (first === 0 || (minor !== null && minor >= first))
}

/** Options are split at spaces, before which a backslash stands. */
const escaped = (value: string): string => value.replace(/[\\\s]/g, "\\$&")

const option = ({ name, value }: Override): string => `-c ${name}=${escaped(value)}`

/**
 * The path is empty, so that only `pg_catalog` is searched: a schema named in it, even one of two quotes, can be made by the
 * owner of a database, and with `pg_catalog` in it an unqualified CREATE would land there.
 */
const first = (role: string) =>
  `-c role=${role} -c default_transaction_read_only=off -c search_path= -c statement_timeout=0`

/**
 * What the configuration says about waiting for others at commit; null when it cannot be told. Changes of ours shall be as
 * safe as it wants them, and not wait for what a tenant names: with `remote_apply` a commit waits for the pageservers.
 */
export const synchronousCommit = ({ cluster }: ComputeSpec): string | null => {
  const isIt = /^synchronous_commit$/i
  const lines = (cluster.postgresql_conf ?? "").matchAll(/^[ \t]*synchronous_commit[ \t]*(?:=[ \t]*)?'?(\w+)/gim)
  const setting = cluster.settings?.findLast(({ name }) => isIt.test(name))
  const word = (setting === undefined ? ([...lines].at(-1)?.[1] ?? "on") : (setting.value ?? "")).toLowerCase()
  return /^(?:on|off|local|remote_write|remote_apply)$/.test(word) ? word : null
}

export interface Circumstances {
  readonly version: ServerVersion
  /** As `synchronousCommit` tells it. */
  readonly commit: string | null
}

/** `role`: the one that a session acts as; `none` for the one that it logs in as. */
export const sessionOptions = (role: string, { commit, version }: Circumstances): string => {
  const known = ALL.filter(({ since = 0 }) => version.major >= since)
  return [
    first(role),
    // Configuration noise must not flood an audit log. The clusters of `zenith_admin` know no such thing.
    ...(role === "zenith_admin" ? [] : ["-c pgaudit.log=none"]),
    ...(commit === null ? [] : [`-c synchronous_commit=${commit}`]),
    ...[...known, ...(knowsRestrict(version) ? [RESTRICT] : [])].map(option)
  ].join(" ")
}

/** The newest version whose options are no others than those of later ones. */
export const NEWEST: ServerVersion = { major: Math.max(...MAJORS.map(({ major }) => major)), minor: null }

/** The next older version with fewer options; null when there is none. */
export const older = (version: ServerVersion): ServerVersion | null => {
  const fewer = (major: number): ServerVersion => ({ major, minor: null })
  if (version.minor !== null && knowsRestrict(version) && !knowsRestrict(fewer(version.major))) {
    return fewer(version.major)
  }
  const steps = [...new Set(LATER.map(({ since = 0 }) => since))]
  const step = Math.max(0, ...steps.filter((since) => since <= version.major))
  return step === 0 ? null : fewer(step - 1)
}
