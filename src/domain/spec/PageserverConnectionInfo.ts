/**
 * Where a tenant's pageservers are, shard by shard.
 *
 * Source: `libs/compute_api/src/spec.rs` (`PageserverConnectionInfo`).
 */

import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { defaulted, optional, U8, U32, U64 } from "../json/decode/Shapes.ts"
import { excerpt } from "../json/Excerpt.ts"
import { formatShardIndex, parseShardIndex } from "./Ids.ts"

export const PageserverProtocol = Schema.Literals(["libpq", "grpc"])
export type PageserverProtocol = typeof PageserverProtocol.Type

const PageserverAddress = Schema.Struct({
  id: optional(U64),
  libpq_url: optional(Schema.String),
  grpc_url: optional(Schema.String)
})

const Shard = Schema.Struct({ pageservers: Schema.Array(PageserverAddress) })
export type Shard = typeof Shard.Type

/** A key that is refined would only be left out when it does not fit. */
const ShardMap = Schema.Record(Schema.String, Shard).check(
  Schema.makeFilter((shards) => {
    const wrong = Object.keys(shards).find((key) => Result.isFailure(parseShardIndex(key)))
    return wrong === undefined || `invalid shard index \`${excerpt(wrong)}\`, expected 4 hex digits`
  })
)

/** Keys in either case; kept in the lower case in which they are looked up. */
const Shards = ShardMap.pipe(
  Schema.decodeTo(
    Schema.Record(Schema.String, Schema.toType(Shard)),
    SchemaTransformation.transform({
      decode: (shards) => Object.fromEntries(Object.entries(shards).map(([key, shard]) => [key.toLowerCase(), shard])),
      encode: (shards) => shards
    })
  )
)

export const PageserverConnectionInfo = Schema.Struct({
  /** 0 = unsharded, 1 = sharded with one shard. */
  shard_count: U8,
  /** Pages of 8 KiB; null exactly when the tenant is unsharded. */
  stripe_size: optional(U32),
  shards: Shards,
  prefer_protocol: defaulted(PageserverProtocol, () => "libpq" as const)
})
export type PageserverConnectionInfo = typeof PageserverConnectionInfo.Type

/** The legacy form: libpq strings joined by commas, one per shard. */
export const fromConnstring = (
  text: string,
  stripeSize: number | null
): Result.Result<PageserverConnectionInfo, string> => {
  const urls = text.split(",")
  if (urls.length > 1 && stripeSize === null) return Result.fail(`${urls.length} shards but no stripe_size`)
  if (urls.length > 255) return Result.fail("out of range integral type conversion attempted")
  const count = urls.length === 1 ? 0 : urls.length
  return Result.succeed({
    shard_count: count,
    stripe_size: count === 0 ? null : stripeSize,
    prefer_protocol: "libpq",
    shards: Object.fromEntries(
      urls.map((url, number) => [
        formatShardIndex({ number, count }),
        { pageservers: [{ id: null, libpq_url: url, grpc_url: null }] }
      ])
    )
  })
}

/** All shard indexes of the tenant, in order. */
export const shardIndexes = (info: PageserverConnectionInfo) =>
  Array.from({ length: Math.max(info.shard_count, 1) }, (_, number) => ({ number, count: info.shard_count }))

/** The URL of a shard's first pageserver for one protocol. */
export const shardUrl = (
  info: PageserverConnectionInfo,
  number: number,
  protocol: PageserverProtocol
): Result.Result<string, string> => {
  const key = formatShardIndex({ number, count: info.shard_count })
  const shard = info.shards[key]
  if (shard === undefined) return Result.fail(`shard connection info missing for shard ${key}`)
  const first = shard.pageservers[0]
  if (first === undefined) return Result.fail("must have at least one pageserver")
  const url = protocol === "grpc" ? first.grpc_url : first.libpq_url
  return url === null ? Result.fail(`no ${protocol}_url for shard ${key}`) : Result.succeed(url)
}

const sameShard = (one: Shard, other: Shard | undefined): boolean =>
  other !== undefined &&
  one.pageservers.length === other.pageservers.length &&
  one.pageservers.every((address, index) => {
    const peer = other.pageservers[index]
    return address.id === peer?.id && address.libpq_url === peer.libpq_url && address.grpc_url === peer.grpc_url
  })

/** Deep equality, independent of the order of the shard map: "nothing moved". */
export const equivalence = (one: PageserverConnectionInfo, other: PageserverConnectionInfo): boolean =>
  one.shard_count === other.shard_count &&
  one.stripe_size === other.stripe_size &&
  one.prefer_protocol === other.prefer_protocol &&
  Object.keys(one.shards).length === Object.keys(other.shards).length &&
  Object.entries(one.shards).every(([key, shard]) => sameShard(shard, other.shards[key]))

/** The first shard that can be reached in neither protocol, if any, as the text that says which URL is missing. */
export const incomplete = (info: PageserverConnectionInfo): string | null => {
  const other = info.prefer_protocol === "grpc" ? "libpq" : "grpc"
  for (const { number } of shardIndexes(info)) {
    const preferred = shardUrl(info, number, info.prefer_protocol)
    if (Result.isFailure(preferred) && Result.isFailure(shardUrl(info, number, other))) return preferred.failure
  }
  return null
}
