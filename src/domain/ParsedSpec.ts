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
import { TenantId, TimelineId } from "./Ids.ts"
import { fromConnstring, type PageserverConnectionInfo } from "./PageserverConnectionInfo.ts"

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
export class InvalidSpec extends Data.TaggedError("InvalidSpec")<{ readonly message: string; readonly field: string }> {}

const invalid = (field: string) => (message: string) => new InvalidSpec({ field, message })

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
  const stripe = findSetting(settings, "neon.stripe_size")
  if (stripe !== null && !(/^\+?\d+$/.test(stripe) && Number(stripe) <= 0xffffffff)) {
    return Either.left(invalid("neon.stripe_size")(stripe === "" ? "cannot parse integer from empty string" : "invalid digit found in string"))
  }
  return Either.mapLeft(
    fromConnstring(setting, stripe === null ? null : Number(stripe)),
    invalid("neon.pageserver_connstring")
  )
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
  const generation = GENERATION.exec(setting)
  return Either.right({
    safekeepers: setting.replace(GENERATION, "").split(","),
    safekeepersGeneration: generation === null ? spec.safekeepers_generation : Number(generation[1])
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

/** Resolves and validates, in the order clients rely on; the first failure wins. */
export const parseSpec = (spec: ComputeSpec): Either.Either<ParsedSpec, InvalidSpec> =>
  Either.gen(function* () {
    const pageserver = yield* resolvePageserver(spec)
    const { safekeepers, safekeepersGeneration } = yield* resolveSafekeepers(spec)
    const tenantId = yield* resolveId(spec.tenant_id, spec, TenantId, "tenant")
    const timelineId = yield* resolveId(spec.timeline_id, spec, TimelineId, "timeline")
    if (spec.mode === "Primary") {
      if (safekeepers.length === 0) {
        yield* Either.left(invalid("spec.safekeeper_connstrings")("safekeeper_connstrings is empty"))
      }
      const duplicate = smallestDuplicate(safekeepers)
      if (duplicate !== undefined) {
        yield* Either.left(
          invalid("spec.safekeeper_connstrings")(`duplicate entry in safekeeper_connstrings: ${duplicate}!`)
        )
      }
    }
    const token = findSetting(spec.cluster.settings, "neon.endpoint_storage_token")
    return {
      spec,
      tenantId,
      timelineId,
      pageserver,
      safekeepers,
      safekeepersGeneration,
      storageAuthToken: spec.storage_auth_token,
      endpointStorageAddr: spec.endpoint_storage_addr ?? findSetting(spec.cluster.settings, "neon.endpoint_storage_addr"),
      endpointStorageToken: spec.endpoint_storage_token ?? (token === null ? null : Redacted.make(token))
    }
  })

/** The TLS key pair Postgres and its neighbours use: given with the machine, switched on by the spec. */
export const effectiveTls = (spec: ComputeSpec, machine: TlsConfig | null): TlsConfig | null =>
  spec.features.includes("tls_experimental") ? machine : null
