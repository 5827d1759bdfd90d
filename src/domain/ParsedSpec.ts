/**
 * A spec with everything resolved that may be given in more than one way.
 *
 * Source: `compute_tools/src/compute.rs` (`ParsedSpec`).
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type ComputeSpec, findSetting, type TlsConfig } from "./ComputeSpec.ts"
import { excerpt } from "./Excerpt.ts"
import { TenantId, TimelineId } from "./Ids.ts"
import { fromConnstring, incomplete, type PageserverConnectionInfo } from "./PageserverConnectionInfo.ts"
import { optionLines } from "./PostgresConf.ts"

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
const parseU32 = (text: string): Either.Either<number, string> => {
  if (text === "") return Either.left("cannot parse integer from empty string")
  if (!/^\+?\d+$/.test(text)) return Either.left("invalid digit found in string")
  return Number(text) <= 0xffffffff ? Either.right(Number(text)) : Either.left("number too large to fit in target type")
}

const resolvePageserver = (spec: ComputeSpec): Either.Either<PageserverConnectionInfo, InvalidSpec> => {
  const settings = spec.cluster.settings
  if (spec.pageserver_connection_info !== null) return Either.right(spec.pageserver_connection_info)
  if (spec.pageserver_connstring !== null) {
    return Either.mapLeft(
      fromConnstring(spec.pageserver_connstring, spec.shard_stripe_size),
      invalid("spec.pageserver_connstring")
    )
  }
  const setting = findSetting(settings, "neon.pageserver_connstring")
  if (setting === null) {
    return Either.left(
      invalid("spec.pageserver_connection_info")("pageserver connection information should be provided")
    )
  }
  const given = findSetting(settings, "neon.stripe_size")
  return Either.gen(function* () {
    const stripe = given === null ? null : yield* Either.mapLeft(parseU32(given), invalid("neon.stripe_size"))
    return yield* Either.mapLeft(fromConnstring(setting, stripe), invalid("neon.pageserver_connstring"))
  })
}

const GENERATION = /^g#(\d+):/

const resolveSafekeepers = (
  spec: ComputeSpec
): Either.Either<Pick<ParsedSpec, "safekeepers" | "safekeepersGeneration">, InvalidSpec> => {
  if (spec.safekeeper_connstrings.length > 0 || spec.mode !== "Primary") {
    return Either.right({
      safekeepers: spec.safekeeper_connstrings,
      safekeepersGeneration: spec.safekeepers_generation
    })
  }
  const setting = findSetting(spec.cluster.settings, "neon.safekeepers")
  if (setting === null) {
    return Either.left(invalid("spec.safekeeper_connstrings")("safekeeper connstrings should be provided"))
  }
  const generation = GENERATION.exec(setting)?.[1]
  return Either.gen(function* () {
    return {
      safekeepers: setting.replace(GENERATION, "").split(","),
      safekeepersGeneration:
        generation === undefined
          ? spec.safekeepers_generation
          : yield* Either.mapLeft(parseU32(generation), invalid("neon.safekeepers"))
    }
  })
}

const resolveId = <A>(
  given: A | null,
  spec: ComputeSpec,
  schema: Schema.Schema<A, string>,
  kind: "tenant" | "timeline"
): Either.Either<A, InvalidSpec> => {
  if (given !== null) return Either.right(given)
  const setting = findSetting(spec.cluster.settings, `neon.${kind}_id`)
  return setting === null
    ? Either.left(invalid(`spec.${kind}_id`)(`${kind} id should be provided`))
    : Either.mapLeft(Schema.decodeEither(schema)(setting), () => invalid(`neon.${kind}_id`)(`invalid ${kind} id`))
}

const smallestDuplicate = (values: ReadonlyArray<string>): string | undefined => {
  const sorted = [...values].sort()
  return sorted.find((value, index) => index > 0 && sorted[index - 1] === value)
}

/** Each is asked, and all are one setting of Postgres. */
const MAX_SAFEKEEPERS = 1000

const checkSafekeepers = (safekeepers: ReadonlyArray<string>): Either.Either<void, InvalidSpec> => {
  const fault = invalid("spec.safekeeper_connstrings")
  if (safekeepers.length > MAX_SAFEKEEPERS) return Either.left(fault(`more than ${MAX_SAFEKEEPERS} safekeepers`))
  if (safekeepers.length === 0) return Either.left(fault("safekeeper_connstrings is empty"))
  const duplicate = smallestDuplicate(safekeepers)
  return duplicate === undefined
    ? Either.void
    : Either.left(fault(`duplicate entry in safekeeper_connstrings: ${excerpt(duplicate)}!`))
}

/** What would otherwise fail far from its cause: pageservers that cannot be asked, renames to nowhere, lines that cannot be written. */
const checkWorkable = (spec: ComputeSpec, pageserver: PageserverConnectionInfo): Either.Either<void, InvalidSpec> => {
  const gap = spec.pageserver_connection_info === null ? null : incomplete(pageserver)
  if (gap !== null) return Either.left(invalid("spec.pageserver_connection_info")(gap))
  const nameless = (spec.delta_operations ?? []).findIndex(
    (operation) => operation.action.startsWith("rename_") && operation.new_name === null
  )
  if (nameless >= 0) {
    const field = `spec.delta_operations[${nameless}].new_name`
    return Either.left(invalid(field)(`${field}: a rename needs a new name`))
  }
  return Either.mapBoth(optionLines(spec.cluster.settings), {
    onLeft: (fault) => invalid(`spec.cluster.settings`)(fault.message),
    onRight: () => undefined
  })
}

/** Resolves and validates, in the order clients rely on; the first failure wins. */
export const parseSpec = (spec: ComputeSpec): Either.Either<ParsedSpec, InvalidSpec> =>
  Either.gen(function* () {
    const pageserver = yield* resolvePageserver(spec)
    const { safekeepers, safekeepersGeneration } = yield* resolveSafekeepers(spec)
    const tenantId = yield* resolveId(spec.tenant_id, spec, TenantId, "tenant")
    const timelineId = yield* resolveId(spec.timeline_id, spec, TimelineId, "timeline")
    if (spec.mode === "Primary") yield* checkSafekeepers(safekeepers)
    yield* checkWorkable(spec, pageserver)
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

/** The TLS key pair Postgres and its neighbours use: given with the machine, switched on by the spec. */
export const effectiveTls = (spec: ComputeSpec, machine: TlsConfig | null): TlsConfig | null =>
  spec.features.includes("tls_experimental") ? machine : null
