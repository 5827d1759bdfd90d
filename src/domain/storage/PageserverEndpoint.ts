/**
 * Which pageserver is asked, and in which protocol: the preferred one, or the other where only its URL is known.
 *
 * Source: `compute_tools/src/compute.rs`, `compute_tools/src/lsn_lease.rs`.
 */
import * as Result from "effect/Result"
import { formatShardIndex, type ShardIndex } from "../spec/Ids.ts"
import {
  type PageserverConnectionInfo,
  type PageserverProtocol,
  shardIndexes,
  shardUrl
} from "../spec/PageserverConnectionInfo.ts"

export interface PageserverEndpoint {
  readonly shard: ShardIndex
  readonly protocol: PageserverProtocol
  readonly url: string
}

const other = (protocol: PageserverProtocol): PageserverProtocol => (protocol === "grpc" ? "libpq" : "grpc")

/** The first pageserver of shard 0: it alone makes basebackups. */
export const basebackupEndpoint = (info: PageserverConnectionInfo): Result.Result<PageserverEndpoint, string> => {
  const shard = { number: 0, count: info.shard_count }
  const by = (protocol: PageserverProtocol) =>
    Result.map(shardUrl(info, 0, protocol), (url): PageserverEndpoint => ({ shard, protocol, url }))
  const preferred = by(info.prefer_protocol)
  return Result.orElse(preferred, () => Result.orElse(by(other(info.prefer_protocol)), () => preferred))
}

/** Every pageserver of every shard: each may collect garbage on its own. */
export const leaseEndpoints = (
  info: PageserverConnectionInfo
): Result.Result<ReadonlyArray<PageserverEndpoint>, string> => {
  const endpoints: Array<PageserverEndpoint> = []
  for (const shard of shardIndexes(info)) {
    const key = formatShardIndex(shard)
    const servers = info.shards[key]?.pageservers
    if (servers === undefined) return Result.fail(`shard connection info missing for shard ${key}`)
    if (servers.length === 0) return Result.fail("must have at least one pageserver")
    for (const server of servers) {
      const urls = { libpq: server.libpq_url, grpc: server.grpc_url }
      const protocol = urls[info.prefer_protocol] === null ? other(info.prefer_protocol) : info.prefer_protocol
      const url = urls[protocol]
      if (url === null) return Result.fail(`no ${info.prefer_protocol}_url for shard ${key}`)
      endpoints.push({ shard, protocol, url })
    }
  }
  return Result.succeed(endpoints)
}

const addressOf = ({ url }: PageserverEndpoint): string =>
  URL.canParse(url) ? new URL(url).host : "of an unreadable URL"

/** Addresses that are listed; a tenant may have a hundred shards. */
const LISTED = 3

/** `pageserver ps-1:6400`, or several, for those who look on. */
export const inWords = (endpoints: ReadonlyArray<PageserverEndpoint>): string => {
  const addresses = [...new Set(endpoints.map(addressOf))]
  const others = addresses.length - LISTED
  const listed = addresses.slice(0, LISTED).join(", ")
  return `pageserver${addresses.length === 1 ? "" : "s"} ${listed}${others > 0 ? ` and ${others} more` : ""}`
}
