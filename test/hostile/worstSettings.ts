/**
 * Every setting that the owner of a database or a role may give to all sessions, with the values that could hurt: read from
 * the server itself, so that a new version brings its own.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import pg from "pg"

export interface Setting {
  readonly name: string
  readonly values: ReadonlyArray<string>
}

interface Row {
  readonly name: string
  readonly vartype: string
  readonly boot: string | null
  readonly min: string | null
  readonly max: string | null
  readonly words: ReadonlyArray<string> | null
}

const LIST = `SELECT name, vartype, boot_val AS boot, min_val AS min, max_val AS max, enumvals AS words
  FROM pg_settings WHERE context IN ('user', 'backend') ORDER BY name`

/** Of what is neither a number nor a choice. */
const texts: Readonly<Record<string, ReadonlyArray<string>>> = {
  DateStyle: ["SQL, DMY", "German"],
  TimeZone: ["Asia/Kathmandu"],
  application_name: ["a tenant's"],
  client_encoding: ["LATIN1", "SQL_ASCII"],
  createrole_self_grant: ["set, inherit"],
  default_table_access_method: ["nosuch", "heap"],
  default_tablespace: ["nosuch", "pg_global"],
  default_text_search_config: ["pg_catalog.german"],
  lc_monetary: ["C.UTF-8"],
  lc_numeric: ["C.UTF-8"],
  lc_time: ["C.UTF-8"],
  local_preload_libraries: ["nosuch"],
  restrict_nonsystem_relation_kind: ["view, foreign-table"],
  search_path: ["evil", "\"''\", pg_catalog"],
  session_authorization: ["tenant"],
  role: ["tenant"],
  temp_tablespaces: ["nosuch", "pg_global"],
  timezone_abbreviations: ["India"],
  vacuum_buffer_usage_limit: ["128kB"]
}

/** Known to whoever has the libraries; the language's is there in every session that runs a block. */
const ofLibraries: ReadonlyArray<Setting> = [
  { name: "plpgsql.extra_errors", values: ["all"] },
  { name: "plpgsql.extra_warnings", values: ["all"] },
  { name: "plpgsql.check_asserts", values: ["off"] },
  { name: "plpgsql.print_strict_params", values: ["on"] }
]

const valuesOf = ({ boot, max, min, name, vartype, words }: Row): ReadonlyArray<string> => {
  if (vartype === "bool") return [boot === "on" ? "off" : "on"]
  if (vartype === "enum") return (words ?? []).filter((word) => word !== boot)
  if (vartype === "string") return texts[name] ?? [`no worst value is known of ${name}`]
  return [...new Set(["1", min ?? "0", max ?? "1"])].filter((value) => value !== boot)
}

/**
 * What our sessions leave as a tenant has set it, since nothing of ours depends on it or another option makes it void:
 * parallel plans and compilation are off, as is the genetic planner. A setting of a new version stands neither here nor
 * among the options of our sessions until somebody has thought about it.
 */
export const harmless: ReadonlySet<string> = new Set(
  `backend_flush_after check_function_bodies commit_siblings constraint_exclusion createrole_self_grant
  cursor_tuple_fraction debug_logical_replication_streaming debug_parallel_query debug_pretty_print
  default_statistics_target default_text_search_config default_toast_compression effective_cache_size
  effective_io_concurrency enable_async_append enable_distinct_reordering enable_gathermerge enable_group_by_reordering
  enable_incremental_sort enable_parallel_append enable_parallel_hash enable_partition_pruning
  enable_partitionwise_aggregate enable_partitionwise_join enable_presorted_aggregate enable_self_join_elimination
  escape_string_warning force_parallel_mode geqo_effort geqo_generations geqo_pool_size geqo_seed geqo_selection_bias
  geqo_threshold gin_fuzzy_search_limit gin_pending_list_limit io_combine_limit jit_above_cost jit_expressions
  jit_inline_above_cost jit_optimize_above_cost jit_tuple_deforming lc_monetary lc_numeric lc_time
  logical_decoding_work_mem maintenance_io_concurrency maintenance_work_mem max_parallel_maintenance_workers
  max_parallel_workers md5_password_warnings min_parallel_index_scan_size min_parallel_table_scan_size
  parallel_leader_participation parallel_setup_cost parallel_tuple_cost password_encryption plan_cache_mode
  plpgsql.print_strict_params recursive_worktable_factor row_security scram_iterations synchronize_seqscans temp_buffers
  timezone_abbreviations trace_notify trace_sort vacuum_buffer_usage_limit vacuum_cost_delay vacuum_cost_limit
  vacuum_cost_page_dirty vacuum_cost_page_hit vacuum_cost_page_miss vacuum_failsafe_age vacuum_freeze_min_age
  vacuum_freeze_table_age vacuum_max_eager_freeze_failure_rate vacuum_multixact_failsafe_age
  vacuum_multixact_freeze_min_age vacuum_multixact_freeze_table_age vacuum_truncate wal_sender_timeout
  wal_skip_threshold xmlbinary xmloption`.split(/\s+/)
)

/** A client of `template1`, which nobody has set up. */
export const clientOf = (port: number, user: string): Effect.Effect<pg.Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new pg.Client({ host: "127.0.0.1", port, database: "template1", user })
      client.on("error", () => undefined)
      await client.connect()
      // The settings of the language are known to a session that has run it.
      await client.query("DO $$ BEGIN END $$")
      return client
    }),
    (client) => Effect.promise(() => client.end())
  )

export const settings = (client: pg.Client): Effect.Effect<ReadonlyArray<Setting>> =>
  Effect.promise(async () => {
    const { rows } = await client.query<Row>(LIST)
    return [
      ...rows.map((row) => ({ name: row.name, values: valuesOf(row) })),
      ...["role", "session_authorization"].map((name) => ({ name, values: texts[name] ?? [] })),
      ...ofLibraries
    ]
  })

/** What the client's user may not set is left out. Gives back what was set. */
export const setAll = (client: pg.Client, database: string, wanted: ReadonlyArray<readonly [string, string]>) =>
  Effect.promise(async () => {
    const set: Array<string> = []
    for (const [name, value] of wanted) {
      const list = name === "search_path" || name === "temp_tablespaces" ? value : pg.escapeLiteral(value)
      const done = client.query(`ALTER DATABASE ${pg.escapeIdentifier(database)} SET ${name} TO ${list}`)
      await done.then(
        () => set.push(name),
        () => undefined
      )
    }
    return set
  })
