/**
 * Which pageserver is asked, and in which protocol: the preferred one, or the other where only its URL is known.
 *
 * Source: `compute_tools/src/compute.rs`, `compute_tools/src/lsn_lease.rs`.
 */
import * as Either from "effect/Either"
import { formatShardIndex, type ShardIndex } from "./Ids.ts"
import {
  type PageserverConnectionInfo,
  type PageserverProtocol,
  shardIndexes,
  shardUrl
} from "./PageserverConnectionInfo.ts"

export interface PageserverEndpoint {
  readonly shard: ShardIndex
  readonly protocol: PageserverProtocol
  readonly url: string
}

const other = (protocol: PageserverProtocol): PageserverProtocol => (protocol === "grpc" ? "libpq" : "grpc")

/** The first pageserver of shard 0: it alone makes basebackups. */
export const basebackupEndpoint = (info: PageserverConnectionInfo): Either.Either<PageserverEndpoint, string> => {
  const shard = { number: 0, count: info.shard_count }
  const by = (protocol: PageserverProtocol) =>
    Either.map(shardUrl(info, 0, protocol), (url): PageserverEndpoint => ({ shard, protocol, url }))
  const preferred = by(info.prefer_protocol)
  return Either.orElse(preferred, () => Either.orElse(by(other(info.prefer_protocol)), () => preferred))
}

/** Every pageserver of every shard: each may collect garbage on its own. */
export const leaseEndpoints = (
  info: PageserverConnectionInfo
): Either.Either<ReadonlyArray<PageserverEndpoint>, string> => {
  const endpoints: Array<PageserverEndpoint> = []
  for (const shard of shardIndexes(info)) {
    const key = formatShardIndex(shard)
    const servers = info.shards[key]?.pageservers
    if (servers === undefined) return Either.left(`shard connection info missing for shard ${key}`)
    if (servers.length === 0) return Either.left("must have at least one pageserver")
    for (const server of servers) {
      const urls = { libpq: server.libpq_url, grpc: server.grpc_url }
      const protocol = urls[info.prefer_protocol] === null ? other(info.prefer_protocol) : info.prefer_protocol
      const url = urls[protocol]
      if (url === null) return Either.left(`no ${info.prefer_protocol}_url for shard ${key}`)
      endpoints.push({ shard, protocol, url })
    }
  }
  return Either.right(endpoints)
}
