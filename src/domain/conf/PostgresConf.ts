/**
 * The text of `postgresql.conf`. Later lines win in Postgres, so the order of the blocks is the precedence.
 *
 * Source: `compute_tools/src/config.rs`, `compute_tools/src/config_template/`, `compute_tools/src/pg_helpers.rs`.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import { excerpt } from "../json/Excerpt.ts"
import { run, type Steps } from "../json/Steps.ts"
import { conf } from "../postgres/Quote.ts"
import { type ComputeSpec, type GenericOption, modeName } from "../spec/ComputeSpec.ts"
import { formatShardIndex } from "../spec/Ids.ts"
import * as Lsn from "../spec/Lsn.ts"
import { type PageserverConnectionInfo, shardIndexes } from "../spec/PageserverConnectionInfo.ts"
import * as SafekeeperList from "../storage/SafekeeperList.ts"
import { auditBlock } from "./AuditConf.ts"

/** What the text depends on beside the spec. */
export interface ConfContext {
  /** Postgres refuses to change it without a restart: must be the same at every rewrite. */
  readonly internalHttpPort: number
  /** Whether `server.crt` and `server.key` lie in the data directory. */
  readonly tls: boolean
  /** The kernel refuses to overcommit (`/proc/sys/vm/overcommit_memory` is 2): swap was enabled for this machine. */
  readonly strictOvercommit: boolean
  readonly privilegedRole: string
  /** The port of `--connstr`, in lakebase mode only. */
  readonly lakebase: { readonly port: number } | null
  /** Locale of messages, money, time and numbers; macOS has no `C.UTF-8` of old. Default `C.UTF-8`. */
  readonly locale?: string
}

/** The spec has a value that no line of the file can carry. `field` is its JSON path or its setting's name. */
export class InvalidConf extends Data.TaggedError("InvalidConf")<{
  readonly message: string
  readonly field: string
}> {}

export const OVERRIDE_FILE = "compute_ctl_temp_override.conf"

/** A line break ends the line and starts another setting; Postgres' reader stops at a NUL. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/
const NUL = "\u0000"

const fault = (field: string, reason: string) =>
  Result.fail(new InvalidConf({ field, message: `setting ${JSON.stringify(excerpt(field))}: ${reason}` }))

/** One entry of `cluster.settings`. A text is quoted, any other type is written as it comes. */
export const optionLine = (option: GenericOption): Result.Result<string, InvalidConf> => {
  const { name, value } = option
  if (CONTROL.test(name)) return fault(name, "the name contains a control character")
  if (value === null) return Result.succeed(name)
  if (option.vartype === "string") {
    return value.includes(NUL)
      ? fault(name, "the value contains a NUL character")
      : Result.succeed(`${name} = ${conf(value)}`)
  }
  return CONTROL.test(value)
    ? fault(name, `a value of type ${excerpt(option.vartype)} cannot contain a line break or another control character`)
    : Result.succeed(`${name} = ${value}`)
}

/** Entries between two pauses. */
const STEP = 1000

/** A line for each entry, or the fault of the first that has none. */
export function* optionLineSteps(
  options: ReadonlyArray<GenericOption>
): Steps<Result.Result<ReadonlyArray<string>, InvalidConf>> {
  const lines: Array<string> = []
  for (const option of options) {
    const line = optionLine(option)
    if (Result.isFailure(line)) return Result.fail(line.failure)
    if (lines.push(line.success) % STEP === 0) yield
  }
  return Result.succeed(lines)
}

/**
 * What Postgres will not read although it can be written: a setting that is a name alone. The file shows it as it came; the
 * server is never asked to take it. Null when there is none.
 */
export const withoutValue = (spec: ComputeSpec): InvalidConf | null => {
  const setting = spec.cluster.settings?.find(({ value }) => value === null)
  return setting === undefined
    ? null
    : new InvalidConf({
        field: setting.name,
        message: `setting ${JSON.stringify(excerpt(setting.name))}: there is no value`
      })
}

const missingShard = (message: string) =>
  Result.fail(new InvalidConf({ field: "spec.pageserver_connection_info.shards", message }))

/** The URLs of all shards in order; null when some shard has none for libpq. */
const libpqUrls = (info: PageserverConnectionInfo): Result.Result<string | null, InvalidConf> => {
  const urls: Array<string> = []
  let complete = true
  for (const index of shardIndexes(info)) {
    const key = formatShardIndex(index)
    const shard = info.shards[key]
    if (shard === undefined) return missingShard(`shard ${key} missing from pageserver_connection_info shard map`)
    const first = shard.pageservers[0]
    if (first === undefined) return missingShard(`shard ${key} must have at least one pageserver`)
    if (first.libpq_url === null) complete = false
    else urls.push(first.libpq_url)
  }
  return Result.succeed(complete ? urls.join(",") : null)
}

/** The stripe size stands before the connection string, because the postmaster publishes both together. */
const pageserverLines = (spec: ComputeSpec): Result.Result<ReadonlyArray<string>, InvalidConf> => {
  const info = spec.pageserver_connection_info
  if (info !== null) {
    return Result.map(libpqUrls(info), (urls) => [
      ...(info.stripe_size === null
        ? []
        : [
            "# from compute spec's pageserver_connection_info.stripe_size field",
            `neon.stripe_size=${info.stripe_size}`
          ]),
      ...(urls === null
        ? ["# no neon.pageserver_connstring"]
        : [
            "# derived from compute spec's pageserver_connection_info field",
            `neon.pageserver_connstring=${conf(urls)}`
          ])
    ])
  }
  return Result.succeed([
    ...(spec.shard_stripe_size === null
      ? []
      : ["# from compute spec's shard_stripe_size field", `neon.stripe_size=${spec.shard_stripe_size}`]),
    ...(spec.pageserver_connstring === null
      ? []
      : [
          "# from compute spec's pageserver_connstring field",
          `neon.pageserver_connstring=${conf(spec.pageserver_connstring)}`
        ])
  ])
}

const safekeeperLines = (spec: ComputeSpec): ReadonlyArray<string> => {
  if (spec.safekeeper_connstrings.length === 0) return []
  return [`neon.safekeepers=${conf(SafekeeperList.render(spec.safekeeper_connstrings, spec.safekeepers_generation))}`]
}

const identityLines = (spec: ComputeSpec): ReadonlyArray<string> =>
  (["tenant_id", "timeline_id", "project_id", "branch_id", "endpoint_id"] as const).flatMap((name) => {
    const value = spec[name]
    return value === null ? [] : [`neon.${name}=${conf(value)}`]
  })

const tlsLines = ["ssl = on", "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'"]

const localeLines = (locale: string) =>
  ["lc_messages", "lc_monetary", "lc_time", "lc_numeric"].map((name) => `${name}=${conf(locale)}`)

const modeLines = (spec: ComputeSpec): ReadonlyArray<string> => {
  const mode = spec.mode
  return [
    `neon.compute_mode=${modeName(mode)}`,
    ...(mode === "Primary" ? [] : ["hot_standby=on"]),
    ...(typeof mode === "string" ? [] : [`recovery_target_lsn='${Lsn.format(mode.Static)}'`])
  ]
}

const lakebaseLines = (spec: ComputeSpec, port: number): ReadonlyArray<string> => {
  const settings = spec.databricks_settings
  return [
    `port = ${port}`,
    "# Databricks settings start",
    ...(settings === null
      ? []
      : [
          `ssl_ca_file = ${conf(settings.pg_compute_tls_settings.ca_file)}`,
          `databricks.workspace_url = ${conf(settings.databricks_workspace_host)}`,
          "databricks.enable_databricks_identity_login = true",
          "databricks.enable_sql_restrictions = true",
          ""
        ]),
    "# Databricks settings end"
  ]
}

const rendered = (
  spec: ComputeSpec,
  context: ConfContext,
  given: Result.Result<ReadonlyArray<string>, InvalidConf>
): Result.Result<string, InvalidConf> =>
  Result.gen(function* () {
    const storage = yield* pageserverLines(spec)
    const settings = yield* given
    const lines = [
      ...(spec.cluster.postgresql_conf === null ? [] : [spec.cluster.postgresql_conf]),
      "# Neon storage settings",
      "",
      ...storage,
      ...safekeeperLines(spec),
      ...identityLines(spec),
      ...(context.tls ? tlsLines : []),
      ...localeLines(context.locale ?? "C.UTF-8"),
      ...modeLines(spec),
      ...(context.strictOvercommit ? ["dynamic_shared_memory_type = mmap"] : []),
      `neon.privileged_role_name=${conf(context.privilegedRole)}`,
      ...(spec.cluster.settings === null
        ? []
        : ["# Managed by compute_ctl: begin", settings.join("\n"), "# Managed by compute_ctl: end"]),
      // After the spec's settings, so that none of them can weaken it.
      ...auditBlock(spec),
      `neon.extension_server_port=${context.internalHttpPort}`,
      `neon.disable_logical_replication_subscribers=${spec.drop_subscriptions_before_start}`,
      ...(spec.logs_export_host === null ? [] : ["log_destination='stderr,syslog'"]),
      ...(context.lakebase === null ? [] : lakebaseLines(spec, context.lakebase.port)),
      `include_if_exists = '${OVERRIDE_FILE}'`
    ]
    return `${lines.join("\n")}\n`
  })

/** The whole file, every line ended by a newline; the include of the override file is always the last. */
export function* renderSteps(spec: ComputeSpec, context: ConfContext): Steps<Result.Result<string, InvalidConf>> {
  return rendered(spec, context, yield* optionLineSteps(spec.cluster.settings ?? []))
}

/** In one go. */
export const render = (spec: ComputeSpec, context: ConfContext): Result.Result<string, InvalidConf> =>
  run(renderSteps(spec, context))
