/**
 * The compute spec: everything about the tenant that a compute is to serve.
 * Member names are the wire's own. Unknown members are ignored at every level.
 *
 * Source: `libs/compute_api/src/spec.rs`.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { invalidType, unknownVariant } from "../json/decode/DecodeFaults.ts"
import { AnyNumber, defaulted, I64, optional, refused, Secret, U32, U64, USize } from "../json/decode/Shapes.ts"
import { TenantId, TimelineId } from "./Ids.ts"
import { format as formatLsn, Lsn, parse as parseLsn } from "./Lsn.ts"
import { PageserverConnectionInfo } from "./PageserverConnectionInfo.ts"

/** A setting of `postgresql.conf`, or a clause of CREATE ROLE / CREATE DATABASE. Only `vartype` "string" is quoted. */
export const GenericOption = Schema.Struct({
  name: Schema.String,
  value: optional(Schema.String),
  vartype: Schema.String
})
export type GenericOption = typeof GenericOption.Type
const GenericOptions = Schema.Array(GenericOption)

export const Role = Schema.Struct({
  name: Schema.String,
  encrypted_password: optional(Secret),
  options: optional(GenericOptions)
})
export type Role = typeof Role.Type

export const Database = Schema.Struct({
  name: Schema.String,
  owner: Schema.String,
  options: optional(GenericOptions)
})
export type Database = typeof Database.Type

const DeltaOp = Schema.Struct({
  /** `delete_db`, `rename_db`, `delete_role`, `rename_role`; any other is skipped. */
  action: Schema.String,
  name: Schema.String,
  new_name: optional(Schema.String)
})

const Cluster = Schema.Struct({
  cluster_id: optional(Schema.String),
  name: optional(Schema.String),
  state: optional(Schema.String),
  roles: Schema.Array(Role),
  databases: Schema.Array(Database),
  postgresql_conf: optional(Schema.String),
  settings: optional(GenericOptions)
})

export const RemoteExtensions = Schema.Struct({
  public_extensions: optional(Schema.Array(Schema.String)),
  custom_extensions: optional(Schema.Array(Schema.String)),
  library_index: Schema.Record(Schema.String, Schema.String),
  extension_data: Schema.Record(
    Schema.String,
    Schema.Struct({
      control_data: Schema.Record(Schema.String, Schema.String),
      /** Not used: the path follows from the name, the build and the server's version. */
      archive_path: defaulted(Schema.String, () => "")
    })
  )
})
export type RemoteExtensions = typeof RemoteExtensions.Type

/** Paths of PEM files on this machine. */
export const TlsConfig = Schema.Struct({ key_path: Schema.String, cert_path: Schema.String })
export type TlsConfig = typeof TlsConfig.Type

export const LocalProxyConfig = Schema.Struct({
  jwks: optional(
    Schema.Array(
      Schema.Struct({
        id: Schema.String,
        role_names: Schema.Array(Schema.String),
        jwks_url: Schema.String,
        provider_name: Schema.String,
        jwt_audience: optional(Schema.String)
      })
    )
  ),
  tls: optional(TlsConfig)
})
export type LocalProxyConfig = typeof LocalProxyConfig.Type

export const DatabricksSettings = Schema.Struct({
  pg_compute_tls_settings: Schema.Struct({
    cert_file: Schema.String,
    key_file: Schema.String,
    ca_file: Schema.String
  }),
  databricks_pg_hba: Schema.String,
  databricks_pg_ident: Schema.String,
  databricks_workspace_host: Schema.String
})
export type DatabricksSettings = typeof DatabricksSettings.Type

const ComputeModeFromSelf = Schema.Union([
  Schema.Literals(["Primary", "Replica"]),
  Schema.Struct({ Static: Schema.toType(Lsn) })
])

const MODES = ["Primary", "Static", "Replica"]

const readMode = (input: unknown): Result.Result<typeof ComputeModeFromSelf.Type, SchemaIssue.Issue> => {
  if (input === "Primary" || input === "Replica") return Result.succeed(input)
  if (input === "Static") return Result.fail(refused("invalid type: unit variant, expected newtype variant"))
  if (typeof input === "string") return Result.fail(refused(unknownVariant(input, MODES)))
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return Result.fail(refused(invalidType(input, "string or map")))
  }
  const [variant, ...others] = Object.entries(input)
  if (variant === undefined || others.length > 0) return Result.fail(refused("expected a map with a single key"))
  const [name, value]: [string, unknown] = variant
  const below = (reason: string) => Result.fail(new SchemaIssue.Pointer([name], refused(reason)))
  if (name === "Primary" || name === "Replica") {
    return value === null ? Result.succeed(name) : below(invalidType(value, "unit"))
  }
  if (name !== "Static") return Result.fail(refused(unknownVariant(name, MODES)))
  if (typeof value !== "string") return below(invalidType(value, "a string"))
  return Result.match(parseLsn(value), { onFailure: below, onSuccess: (lsn) => Result.succeed({ Static: lsn }) })
}

/** `"Primary"`, `"Replica"` (either also as `{"Primary": null}`), `{"Static": "0/16B5A50"}`. */
export const ComputeMode = Schema.declare((_): _ is unknown => true, {
  toCodecJson: () =>
    Schema.link<unknown>()(
      Schema.Union([Schema.Literals(["Primary", "Replica"]), Schema.Struct({ Static: Schema.String })]),
      SchemaTransformation.transform({ decode: (given): unknown => given, encode: (given) => given as never })
    )
}).pipe(
  Schema.decodeTo(
    ComputeModeFromSelf,
    SchemaTransformation.transformEffect({
      decode: (input) => Effect.fromResult(readMode(input)),
      encode: (mode) => Effect.succeed(typeof mode === "string" ? mode : { Static: formatLsn(mode.Static) })
    })
  )
)
export type ComputeMode = typeof ComputeMode.Type

/** `primary`, `static`, `replica`: the form used in settings, startup options and messages. */
export const modeName = (mode: ComputeMode): "primary" | "static" | "replica" =>
  mode === "Primary" ? "primary" : mode === "Replica" ? "replica" : "static"

/** Any other string is kept as `unknown_feature`: an old compute must accept a new control plane. */
const ComputeFeature = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Literals(["activity_monitor_experimental", "tls_experimental", "unknown_feature"]),
    SchemaTransformation.transform({
      decode: (text) =>
        text === "activity_monitor_experimental" || text === "tls_experimental" ? text : "unknown_feature",
      encode: (feature) => feature
    })
  )
)

export const AuditLevel = Schema.Literals(["Disabled", "Log", "Base", "Hipaa", "Extended", "Full"])
export type AuditLevel = typeof AuditLevel.Type

export const ComputeSpec = Schema.Struct({
  /** Read by nobody. */
  format_version: defaulted(AnyNumber, () => 1),
  operation_uuid: optional(Schema.String),
  features: defaulted(Schema.Array(ComputeFeature), () => []),
  swap_size_bytes: optional(U64),
  disk_quota_bytes: optional(U64),
  disable_lfc_resizing: optional(Schema.Boolean),
  cluster: Cluster,
  delta_operations: optional(Schema.Array(DeltaOp)),
  skip_pg_catalog_updates: defaulted(Schema.Boolean, () => false),
  tenant_id: optional(TenantId),
  timeline_id: optional(TimelineId),
  pageserver_connection_info: optional(PageserverConnectionInfo),
  pageserver_connstring: optional(Schema.String),
  shard_stripe_size: optional(U32),
  project_id: optional(Schema.String),
  branch_id: optional(Schema.String),
  endpoint_id: optional(Schema.String),
  safekeepers_generation: optional(U32),
  safekeeper_connstrings: defaulted(Schema.Array(Schema.String), () => []),
  mode: defaulted(ComputeMode, () => "Primary" as const),
  storage_auth_token: optional(Secret),
  remote_extensions: optional(RemoteExtensions),
  pgbouncer_settings: optional(Schema.Record(Schema.String, Schema.String)),
  local_proxy_config: optional(LocalProxyConfig),
  /** Databases handled in parallel during a reconfiguration. */
  reconfigure_concurrency: defaulted(USize, () => 1),
  drop_subscriptions_before_start: defaulted(Schema.Boolean, () => false),
  audit_log_level: defaulted(AuditLevel, () => "Disabled" as const),
  /** `host:port` of a syslog collector. */
  logs_export_host: optional(Schema.String),
  /** `host:port`. */
  endpoint_storage_addr: optional(Schema.String),
  endpoint_storage_token: optional(Secret),
  autoprewarm: defaulted(Schema.Boolean, () => false),
  /** Seconds, above 0. */
  offload_lfc_interval_seconds: optional(
    U64.check(Schema.makeFilter((seconds) => seconds > 0n || "invalid value: integer `0`, expected a nonzero u64"))
  ),
  suspend_timeout_seconds: I64,
  databricks_settings: optional(DatabricksSettings)
})
export type ComputeSpec = typeof ComputeSpec.Type

/** The value of a setting: the last entry of exactly that name, as in Postgres; an entry without value counts as not found. */
export const findSetting = (options: ReadonlyArray<GenericOption> | null, name: string): string | null =>
  options?.findLast((option) => option.name === name)?.value ?? null

/**
 * Seconds between two collections of the installed extensions, which happen at twice this period: as often as the compute
 * may be suspended. A compute that never is (-1), or by default (0), has the default.
 */
export const installedExtensionsInterval = (spec: ComputeSpec): number =>
  spec.suspend_timeout_seconds > 0 ? spec.suspend_timeout_seconds : 3600
