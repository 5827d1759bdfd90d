/**
 * A spec with everything resolved that may be given in more than one way.
 *
 * Source: `compute_tools/src/compute.rs` (`ParsedSpec`).
 */
import * as Data from "effect/Data"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type InvalidConf, optionLineSteps } from "../conf/PostgresConf.ts"
import { excerpt } from "../json/Excerpt.ts"
import { run, type Steps } from "../json/Steps.ts"
import * as SafekeeperList from "../storage/SafekeeperList.ts"
import { type ComputeSpec, findSetting, type TlsConfig } from "./ComputeSpec.ts"
import { TenantId, TimelineId } from "./Ids.ts"
import { fromConnstring, incomplete, type PageserverConnectionInfo } from "./PageserverConnectionInfo.ts"

export interface ParsedSpec {
  readonly spec: ComputeSpec
  readonly tenantId: TenantId
  readonly timelineId: TimelineId
  readonly pageserver: PageserverConnectionInfo
  /** `host:port` each, without a generation prefix. */
  readonly safekeepers: ReadonlyArray<string>
  readonly safekeepersGeneration: number | null
  readonly storageAuthToken: Redacted.Redacted<string> | null
  readonly endpointStorageAddr: string | null
  readonly endpointStorageToken: Redacted.Redacted<string> | null
}

/** The spec is well-formed JSON but cannot be run. `message` is the text clients know. */
export class InvalidSpec extends Data.TaggedError("InvalidSpec")<{
  readonly message: string
  readonly field: string
}> {}

const invalid = (field: string) => (message: string) => new InvalidSpec({ field, message })

/** In the words of the integer parser that clients know. */
const parseU32 = (text: string): Result.Result<number, string> => {
  if (text === "") return Result.fail("cannot parse integer from empty string")
  if (!/^\+?\d+$/.test(text)) return Result.fail("invalid digit found in string")
  return Number(text) <= 0xffffffff
    ? Result.succeed(Number(text))
    : Result.fail("number too large to fit in target type")
}

const resolvePageserver = (spec: ComputeSpec): Result.Result<PageserverConnectionInfo, InvalidSpec> => {
  const settings = spec.cluster.settings
  if (spec.pageserver_connection_info !== null) return Result.succeed(spec.pageserver_connection_info)
  if (spec.pageserver_connstring !== null) {
    return Result.mapError(
      fromConnstring(spec.pageserver_connstring, spec.shard_stripe_size),
      invalid("spec.pageserver_connstring")
    )
  }
  const setting = findSetting(settings, "neon.pageserver_connstring")
  if (setting === null) {
    return Result.fail(
      invalid("spec.pageserver_connection_info")("pageserver connection information should be provided")
    )
  }
  const given = findSetting(settings, "neon.stripe_size")
  return Result.gen(function* () {
    const stripe = given === null ? null : yield* Result.mapError(parseU32(given), invalid("neon.stripe_size"))
    return yield* Result.mapError(fromConnstring(setting, stripe), invalid("neon.pageserver_connstring"))
  })
}

const resolveSafekeepers = (
  spec: ComputeSpec
): Result.Result<Pick<ParsedSpec, "safekeepers" | "safekeepersGeneration">, InvalidSpec> => {
  if (spec.safekeeper_connstrings.length > 0 || spec.mode !== "Primary") {
    return Result.succeed({
      safekeepers: spec.safekeeper_connstrings,
      safekeepersGeneration: spec.safekeepers_generation
    })
  }
  const setting = findSetting(spec.cluster.settings, "neon.safekeepers")
  if (setting === null) {
    return Result.fail(invalid("spec.safekeeper_connstrings")("safekeeper connstrings should be provided"))
  }
  const { generation, safekeepers } = SafekeeperList.parse(setting)
  return Result.gen(function* () {
    return {
      safekeepers,
      safekeepersGeneration:
        generation === null
          ? spec.safekeepers_generation
          : yield* Result.mapError(parseU32(generation), invalid("neon.safekeepers"))
    }
  })
}

const resolveId = <A>(
  given: A | null,
  spec: ComputeSpec,
  schema: Schema.Codec<A, string>,
  kind: "tenant" | "timeline"
): Result.Result<A, InvalidSpec> => {
  if (given !== null) return Result.succeed(given)
  const setting = findSetting(spec.cluster.settings, `neon.${kind}_id`)
  return setting === null
    ? Result.fail(invalid(`spec.${kind}_id`)(`${kind} id should be provided`))
    : Result.mapError(Schema.decodeResult(schema)(setting), () => invalid(`neon.${kind}_id`)(`invalid ${kind} id`))
}

const smallestDuplicate = (values: ReadonlyArray<string>): string | undefined => {
  const sorted = [...values].sort()
  return sorted.find((value, index) => index > 0 && sorted[index - 1] === value)
}

/** Each is asked, and all are one setting of Postgres. */
const MAX_SAFEKEEPERS = 1000

const checkSafekeepers = (safekeepers: ReadonlyArray<string>): Result.Result<void, InvalidSpec> => {
  const fault = invalid("spec.safekeeper_connstrings")
  if (safekeepers.length > MAX_SAFEKEEPERS) return Result.fail(fault(`more than ${MAX_SAFEKEEPERS} safekeepers`))
  if (safekeepers.length === 0) return Result.fail(fault("safekeeper_connstrings is empty"))
  const duplicate = smallestDuplicate(safekeepers)
  return duplicate === undefined
    ? Result.void
    : Result.fail(fault(`duplicate entry in safekeeper_connstrings: ${excerpt(duplicate)}!`))
}

/** The settings as lines of the configuration file. */
type Settings = Result.Result<ReadonlyArray<string>, InvalidConf>

/** What would otherwise fail far from its cause: pageservers that cannot be asked, renames to nowhere, lines that cannot be written. */
const checkWorkable = (
  spec: ComputeSpec,
  pageserver: PageserverConnectionInfo,
  settings: Settings
): Result.Result<void, InvalidSpec> => {
  const gap = spec.pageserver_connection_info === null ? null : incomplete(pageserver)
  if (gap !== null) return Result.fail(invalid("spec.pageserver_connection_info")(gap))
  const nameless = (spec.delta_operations ?? []).findIndex(
    (operation) => operation.action.startsWith("rename_") && operation.new_name === null
  )
  if (nameless >= 0) {
    const field = `spec.delta_operations[${nameless}].new_name`
    return Result.fail(invalid(field)(`${field}: a rename needs a new name`))
  }
  return Result.mapBoth(settings, {
    onFailure: (fault) => invalid(`spec.cluster.settings`)(fault.message),
    onSuccess: () => undefined
  })
}

const resolve = (spec: ComputeSpec, settings: Settings): Result.Result<ParsedSpec, InvalidSpec> =>
  Result.gen(function* () {
    const pageserver = yield* resolvePageserver(spec)
    const { safekeepers, safekeepersGeneration } = yield* resolveSafekeepers(spec)
    const tenantId = yield* resolveId(spec.tenant_id, spec, TenantId, "tenant")
    const timelineId = yield* resolveId(spec.timeline_id, spec, TimelineId, "timeline")
    if (spec.mode === "Primary") yield* checkSafekeepers(safekeepers)
    yield* checkWorkable(spec, pageserver, settings)
    const token = findSetting(spec.cluster.settings, "neon.endpoint_storage_token")
    return {
      spec,
      tenantId,
      timelineId,
      pageserver,
      safekeepers,
      safekeepersGeneration,
      storageAuthToken: spec.storage_auth_token,
      endpointStorageAddr:
        spec.endpoint_storage_addr ?? findSetting(spec.cluster.settings, "neon.endpoint_storage_addr"),
      endpointStorageToken: spec.endpoint_storage_token ?? (token === null ? null : Redacted.make(token))
    }
  })

/** Resolves and validates, in the order clients rely on; the first failure wins. */
export function* parseSteps(spec: ComputeSpec): Steps<Result.Result<ParsedSpec, InvalidSpec>> {
  return resolve(spec, yield* optionLineSteps(spec.cluster.settings ?? []))
}

/** In one go. */
export const parseSpec = (spec: ComputeSpec): Result.Result<ParsedSpec, InvalidSpec> => run(parseSteps(spec))

/** The TLS key pair Postgres and its neighbours use: given with the machine, switched on by the spec. */
export const effectiveTls = (spec: ComputeSpec, machine: TlsConfig | null): TlsConfig | null =>
  spec.features.includes("tls_experimental") ? machine : null
