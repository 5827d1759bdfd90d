/**
 * The text commands of the pageserver's libpq door, read as strictly as it reads them.
 *
 * Source: `pageserver/src/page_service.rs`.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { parseShardIndex, type ShardIndex, TenantId, TimelineId, unsharded } from "../../domain/spec/Ids.ts"
import * as Lsn from "../../domain/spec/Lsn.ts"

export type PageCommand =
  | {
      readonly _tag: "Basebackup"
      readonly tenant: string
      readonly timeline: string
      /** Null = the latest. */
      readonly lsn: Lsn.Lsn | null
      readonly gzip: boolean
      readonly replica: boolean
      readonly full: boolean
    }
  | {
      readonly _tag: "LeaseLsn"
      readonly tenant: string
      readonly shard: ShardIndex
      readonly timeline: string
      readonly lsn: Lsn.Lsn
    }
  | { readonly _tag: "Set" }

/** A refusal: the outermost text, which the extended protocol shows, and its causes, which the simple one adds. */
export interface Refusal {
  readonly text: string
  readonly causes: ReadonlyArray<string>
}

const refuse = (text: string): Result.Result<never, Refusal> => Result.fail({ text, causes: [] })

const ACTUAL = "actual: "

const cause = ({ message }: { readonly message: string }): string => {
  const lines = message.split("\n")
  const line = lines.find((text) => text.includes(ACTUAL))
  return line === undefined ? (lines.at(-1) ?? "") : line.slice(line.indexOf(ACTUAL))
}

const parsed =
  <A, E>(what: string, parse: (text: string) => Result.Result<A, E>, cause: (fault: E) => string) =>
  (text: string): Result.Result<A, Refusal> =>
    Result.mapError(parse(text), (fault) => ({ text: `Failed to parse ${what} from ${text}`, causes: [cause(fault)] }))

const tenantId = parsed("tenant id", Schema.decodeResult(TenantId), cause)
const timelineId = parsed("timeline id", Schema.decodeResult(TimelineId), cause)
const lsn = parsed("lsn", Lsn.parse, (fault) => fault)

const basebackup = (rest: string): Result.Result<PageCommand, Refusal> =>
  Result.gen(function* () {
    const words = rest.split(/\s+/).filter((word) => word !== "")
    const [tenant, timeline, third] = words
    if (tenant === undefined || timeline === undefined) {
      return yield* refuse(`invalid number of parameters for basebackup command: ${rest}`)
    }
    const ids = { tenant: yield* tenantId(tenant), timeline: yield* timelineId(timeline) }
    const hasPosition = third !== undefined && !third.startsWith("--")
    const at = hasPosition && third !== "latest" ? yield* lsn(third) : null
    const flags = words.slice(hasPosition ? 3 : 2)
    for (const [index, flag] of flags.entries()) {
      if (flag !== "--gzip" && flag !== "--replica") {
        return yield* refuse(`invalid parameter for basebackup command: ${flag}`)
      }
      if (flags.indexOf(flag) < index) return yield* refuse(`duplicate parameter for basebackup command: ${flag}`)
    }
    return {
      _tag: "Basebackup",
      ...ids,
      lsn: at,
      gzip: flags.includes("--gzip"),
      replica: flags.includes("--replica"),
      full: false
    }
  })

const fullbackup = (rest: string): Result.Result<PageCommand, Refusal> =>
  Result.gen(function* () {
    const words = rest.split(/\s+/).filter((word) => word !== "")
    const [tenant, timeline, at, previous] = words
    if (tenant === undefined || timeline === undefined || words.length > 4) {
      return yield* refuse(`invalid number of parameters for fullbackup command: ${rest}`)
    }
    if (previous !== undefined) yield* lsn(previous)
    return {
      _tag: "Basebackup",
      tenant: yield* tenantId(tenant),
      timeline: yield* timelineId(timeline),
      lsn: at === undefined ? null : yield* lsn(at),
      gzip: false,
      replica: false,
      full: true
    }
  })

/** The tenant, with `-NNCC` when it is sharded. */
const tenantShard = (text: string) =>
  Result.gen(function* () {
    const tenant = yield* tenantId(text.slice(0, 32))
    if (text.length === 32) return { tenant, shard: unsharded }
    return { tenant, shard: yield* Result.mapError(parseShardIndex(text.slice(33)), (text) => ({ text, causes: [] })) }
  })

const lease = (rest: string): Result.Result<PageCommand, Refusal> =>
  Result.gen(function* () {
    const [kind = "", ...words] = rest.split(/\s+/).filter((word) => word !== "")
    if (kind.toLowerCase() !== "lsn") return yield* refuse(`invalid lease command: ${rest}`)
    const [tenant, timeline, at] = words
    if (tenant === undefined || timeline === undefined || at === undefined || words.length > 3) {
      return yield* refuse(`invalid number of parameters for lease lsn command: ${words.join(" ")}`)
    }
    return {
      _tag: "LeaseLsn",
      ...(yield* tenantShard(tenant)),
      timeline: yield* timelineId(timeline),
      lsn: yield* lsn(at)
    }
  })

export const parse = (query: string): Result.Result<PageCommand, Refusal> => {
  const trimmed = query.trim()
  const at = trimmed.search(/\s/)
  if (at < 0) return refuse(`cannot parse query: ${trimmed}`)
  const verb = trimmed.slice(0, at).toLowerCase()
  const rest = trimmed.slice(at + 1)
  switch (verb) {
    case "basebackup":
      return basebackup(rest)
    case "fullbackup":
      return fullbackup(rest)
    case "lease":
      return lease(rest)
    case "set":
      return Result.succeed({ _tag: "Set" })
    default:
      return refuse(`unsupported command ${trimmed}`)
  }
}
