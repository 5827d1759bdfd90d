/**
 * Where a tenant's pageservers are, shard by shard.
 *
 * Source: `libs/compute_api/src/spec.rs` (`PageserverConnectionInfo`).
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { formatShardIndex, parseShardIndex } from "./Ids.ts"
import { defaulted, optional, U8, U32, U64 } from "./Shapes.ts"

export const PageserverProtocol = Schema.Literal("libpq", "grpc")
export type PageserverProtocol = typeof PageserverProtocol.Type

const PageserverAddress = Schema.Struct({
  id: optional(U64),
  libpq_url: optional(Schema.String),
  grpc_url: optional(Schema.String)
})

const ShardIndexKey = Schema.String.pipe(
  Schema.filter((key) => Either.isRight(parseShardIndex(key)) || "invalid shard index")
)

export const PageserverConnectionInfo = Schema.Struct({
  /** 0 = unsharded, 1 = sharded with one shard. */
  shard_count: U8,
  /** Pages of 8 KiB; null exactly when the tenant is unsharded. */
  stripe_size: optional(U32),
  shards: Schema.Record({ key: ShardIndexKey, value: Schema.Struct({ pageservers: Schema.Array(PageserverAddress) }) }),
  prefer_protocol: defaulted(PageserverProtocol, () => "libpq" as const)
})
export type PageserverConnectionInfo = typeof PageserverConnectionInfo.Type

/** The legacy form: libpq strings joined by commas, one per shard. */
export const fromConnstring = (
  text: string,
  stripeSize: number | null
): Either.Either<PageserverConnectionInfo, string> => {
  const urls = text.split(",")
  if (urls.length > 1 && stripeSize === null) return Either.left(`${urls.length} shards but no stripe_size`)
  if (urls.length > 255) return Either.left("out of range integral type conversion attempted")
  const count = urls.length === 1 ? 0 : urls.length
  return Either.right({
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
): Either.Either<string, string> => {
  const key = formatShardIndex({ number, count: info.shard_count })
  const shard = info.shards[key]
  if (shard === undefined) return Either.left(`shard connection info missing for shard ${key}`)
  const first = shard.pageservers[0]
  if (first === undefined) return Either.left("must have at least one pageserver")
  const url = protocol === "grpc" ? first.grpc_url : first.libpq_url
  return url === null ? Either.left(`no ${protocol}_url for shard ${key}`) : Either.right(url)
}

/** Deep equality, independent of the order of the shard map: "nothing moved". */
export const equivalence = Schema.equivalence(PageserverConnectionInfo)
