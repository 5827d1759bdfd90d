/**
 * What a configuration would run, or every reason why it would not.
 */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { refusedRoles } from "../catalog/plan/roles.ts"
import { named } from "../catalog/plan/Step.ts"
import { allFaults, decodeJson } from "../json/decode/Decode.ts"
import { ignored as unread } from "../json/decode/Unread.ts"
import { read } from "../json/Json.ts"
import { type ComputeConfig, ComputeConfig as ConfigSchema } from "../spec/ComputeConfig.ts"
import { ComputeSpec } from "../spec/ComputeSpec.ts"
import { format } from "../spec/Lsn.ts"
import { shardIndexes, shardUrl } from "../spec/PageserverConnectionInfo.ts"
import { type ParsedSpec, parseSpec } from "../spec/ParsedSpec.ts"
import type { Fault } from "./Fault.ts"
import { type ConfContext, render, withoutValue } from "./PostgresConf.ts"
import { missingWalProposer } from "./WalProposer.ts"

export interface Checked {
  readonly config: ComputeConfig
  /** Null for an empty compute. */
  readonly spec: ParsedSpec | null
}

/** How the document is to be read: a whole configuration, or a spec alone. */
export type Document = "config" | "spec"

const decodeAs = <A, I>(schema: Schema.Codec<A, I>, text: string): Result.Result<A, ReadonlyArray<Fault>> => {
  const faults = allFaults(schema, text)
  return faults.length > 0 ? Result.fail(faults) : Result.mapError(decodeJson(schema, text), (fault) => [fault])
}

const decoded = (document: Document, text: string): Result.Result<ComputeConfig, ReadonlyArray<Fault>> =>
  document === "config"
    ? decodeAs(ConfigSchema, text)
    : Result.map(decodeAs(ComputeSpec, text), (spec) => ({
        spec,
        compute_ctl_config: { jwks: { keys: [] }, tls: null }
      }))

/** Decodes, resolves and renders; what a start would trip over later is found here. */
export const check = (
  document: Document,
  text: string,
  context: ConfContext
): Result.Result<Checked, ReadonlyArray<Fault>> =>
  Result.gen(function* () {
    const config = yield* decoded(document, text)
    if (config.spec === null) return { config, spec: null }
    const spec = yield* Result.mapError(parseSpec(config.spec), ({ field, message }) => [{ path: field, message }])
    yield* Result.mapError(render(config.spec, context), ({ field, message }) => [{ path: field, message }])
    const refused = refusedRoles(config.spec).map(({ index, name, reason }) => ({
      path: `spec.cluster.roles[${index}].encrypted_password`,
      message: `${named("role", name)}: ${reason}`
    }))
    if (refused.length > 0) return yield* Result.fail(refused)
    return { config, spec }
  })

/** Members that nobody reads, with the name that was probably meant. Empty for what is no JSON. */
export const ignored = (document: Document, text: string): ReadonlyArray<Fault> =>
  unread(document === "config" ? ConfigSchema : ComputeSpec, read(text).value)

/** What would be started, and then wait. */
export const warnings = ({ spec }: Checked): ReadonlyArray<Fault> => {
  const missing = spec === null ? null : missingWalProposer(spec.spec)
  return missing === null ? [] : [missing]
}

/** What a start would write and then refuse to run; null for what it would run. */
export const unreadable = ({ config }: Checked): Fault | null => {
  const fault = config.spec === null ? null : withoutValue(config.spec)
  return fault === null ? null : { path: fault.field, message: fault.message }
}

const mode = ({ spec }: ParsedSpec): string =>
  typeof spec.mode === "string" ? spec.mode.toLowerCase() : `static at ${format(spec.mode.Static)}`

/** Passwords in URLs are no part of where something is. */
const withoutPassword = (url: string): string => {
  const colon = url.indexOf(":", url.indexOf("://") + 3)
  const at = url.lastIndexOf("@")
  return url.includes("://") && colon >= 0 && colon < at ? url.slice(0, colon) + url.slice(at) : url
}

const pageservers = ({ pageserver }: ParsedSpec): ReadonlyArray<string> =>
  shardIndexes(pageserver).map(({ number }) =>
    Result.match(shardUrl(pageserver, number, pageserver.prefer_protocol), {
      onFailure: (reason) => `(${reason})`,
      onSuccess: withoutPassword
    })
  )

const count = (number: number, one: string): string => `${number} ${one}${number === 1 ? "" : "s"}`

/** What would run, a line each: name and value. */
export const summary = ({ config, spec }: Checked): ReadonlyArray<readonly [string, string]> => {
  const keys = ["keys", count(config.compute_ctl_config.jwks.keys.length, "key")] as const
  if (spec === null) return [["compute", "empty: waits for POST /configure"], keys]
  const { cluster } = spec.spec
  return [
    ["mode", mode(spec)],
    ["tenant", spec.tenantId],
    ["timeline", spec.timelineId],
    ["endpoint", spec.spec.endpoint_id ?? "-"],
    ["pageservers", `${spec.pageserver.prefer_protocol}: ${pageservers(spec).join(", ")}`],
    [
      "safekeepers",
      `${spec.safekeepersGeneration === null ? "" : `generation ${spec.safekeepersGeneration}: `}${spec.safekeepers.join(", ") || "-"}`
    ],
    ["catalog", spec.spec.skip_pg_catalog_updates ? "left as it is" : "made to match"],
    ["roles", count(cluster.roles.length, "role")],
    ["databases", count(cluster.databases.length, "database")],
    ["settings", count(cluster.settings?.length ?? 0, "setting")],
    ["delta operations", String(spec.spec.delta_operations?.length ?? 0)],
    keys
  ]
}
