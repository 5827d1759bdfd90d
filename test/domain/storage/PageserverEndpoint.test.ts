import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import type { PageserverConnectionInfo } from "../../../src/domain/spec/PageserverConnectionInfo.ts"
import { status } from "../../../src/domain/storage/PageApi.ts"
import { basebackupEndpoint, inWords, leaseEndpoints } from "../../../src/domain/storage/PageserverEndpoint.ts"
import { healingOfError, healingOfStatus } from "../../../src/domain/storage/PageserverFault.ts"

type Urls = readonly [libpq: string | null, grpc: string | null]

const info = (
  prefer_protocol: "libpq" | "grpc",
  shards: Record<string, ReadonlyArray<Urls>>,
  shard_count = 0
): PageserverConnectionInfo => ({
  shard_count,
  stripe_size: null,
  prefer_protocol,
  shards: Object.fromEntries(
    Object.entries(shards).map(([key, servers]) => [
      key,
      { pageservers: servers.map(([libpq_url, grpc_url]) => ({ id: null, libpq_url, grpc_url })) }
    ])
  )
})

describe("PageserverEndpoint", () => {
  it("takes the preferred protocol of shard 0, and the other one where its URL is missing", () => {
    const both = { "0002": [["l0", "g0"]], "0102": [["l1", "g1"]] } as const
    const shard = { number: 0, count: 2 }
    assert.deepStrictEqual(
      basebackupEndpoint(info("grpc", both, 2)),
      Result.succeed({ shard, protocol: "grpc" as const, url: "g0" })
    )
    assert.deepStrictEqual(
      basebackupEndpoint(info("libpq", both, 2)),
      Result.succeed({ shard, protocol: "libpq" as const, url: "l0" })
    )
    assert.deepStrictEqual(
      basebackupEndpoint(info("grpc", { "0000": [["l0", null]] })),
      Result.succeed({ shard: { number: 0, count: 0 }, protocol: "libpq" as const, url: "l0" })
    )
  })

  it("is told by its address, without who connects", () => {
    const at = (...urls: ReadonlyArray<string>) =>
      inWords(urls.map((url) => ({ shard: { number: 0, count: 0 }, protocol: "libpq", url })))
    assert.strictEqual(at("postgresql://no_user:secret@ps-1:6400/?x=1"), "pageserver ps-1:6400")
    assert.strictEqual(at("grpc://ps-1:51051", "grpc://ps-1:51051", "grpc://ps-2"), "pageservers ps-1:51051, ps-2")
    assert.strictEqual(at("grpc://1", "grpc://2", "grpc://3", "grpc://4", "host="), "pageservers 1, 2, 3 and 2 more")
  })

  it("says what is missing", () => {
    const refusal = (value: PageserverConnectionInfo) => Result.getFailure(basebackupEndpoint(value)).pipe(String)
    assert.include(refusal(info("grpc", { "0000": [[null, null]] })), "no grpc_url for shard 0000")
    assert.include(refusal(info("libpq", { "0000": [] })), "must have at least one pageserver")
    assert.include(refusal(info("libpq", {}, 2)), "shard connection info missing for shard 0002")
  })

  it("leases at every pageserver of every shard", () => {
    const many = info(
      "grpc",
      {
        "0002": [
          ["l0", "g0"],
          ["l0b", null]
        ],
        "0102": [["l1", "g1"]]
      },
      2
    )
    const endpoints = Result.getOrThrow(leaseEndpoints(many))
    assert.deepStrictEqual(
      endpoints.map(({ shard, protocol, url }) => [shard.number, protocol, url]),
      [
        [0, "grpc", "g0"],
        [0, "libpq", "l0b"],
        [1, "grpc", "g1"]
      ]
    )
    assert.deepStrictEqual(
      leaseEndpoints(info("libpq", { "0002": [["l0", null]] }, 2)),
      Result.fail("shard connection info missing for shard 0102")
    )
  })
})

describe("PageserverFault", () => {
  it.each([
    ["XX000", "not found", "attaching"],
    ["XX000", "Not found: Tenant df9c not found", "attaching"],
    ["XX000", "Not found: Timeline a/b was not found", "attaching"],
    ["XX000", "Not found: timeline is archived", "never"],
    ["XX000", "JWT authentication error", "never"],
    ["XX000", "Unauthorized: Tenant id mismatch. Permission denied", "never"],
    ["XX000", "Failed to parse lsn from zz: LsnParseError", "never"],
    ["XX000", "invalid basebackup lsn: LSN 0/10 is earlier than latest GC cutoff 0/20", "never"],
    ["XX000", "cannot parse query: dance", "never"],
    ["28P01", "whatever", "never"],
    ["XX000", "basebackup pageserver error: simulated", "passing"],
    ["XX000", "Timed out while waiting for WAL record at LSN 0/10 to arrive", "passing"],
    ["57P01", "shutdown", "attaching"],
    ["08006", "reconnect", "attaching"]
  ] as const)("%s %s: %s", (sqlstate, text, healing) => {
    assert.strictEqual(healingOfError(sqlstate, text), healing)
  })

  it("takes refusals for permanent and troubles of the server for transient", () => {
    const permanent = Object.entries(status).flatMap(([name, code]) =>
      healingOfStatus(code) === "never" ? [name] : []
    )
    assert.deepStrictEqual(permanent.sort(), [
      "FAILED_PRECONDITION",
      "INVALID_ARGUMENT",
      "PERMISSION_DENIED",
      "UNAUTHENTICATED",
      "UNIMPLEMENTED"
    ])
  })
})
