/**
 * Emulated safekeepers and pageservers alone, without a compute, and specs that lead to them.
 */
import * as Effect from "effect/Effect"
import { fromBigInt } from "../../src/domain/spec/Lsn.ts"
import type * as Fault from "../../src/emulator/Fault.ts"
import { pageserver } from "../../src/emulator/peers/Pageserver.ts"
import { pageserverGrpc } from "../../src/emulator/peers/PageserverGrpc.ts"
import { safekeeper } from "../../src/emulator/peers/Safekeeper.ts"
import * as Tokens from "../../src/emulator/peers/Tokens.ts"
import { Archive } from "../../src/emulator/postgres/Archive.ts"
import { World } from "../../src/emulator/World.ts"
import { spec } from "../programs/fakes.ts"

const HOST = "127.0.0.1"
export const TENANT = "b0554b632bd4d547a63b86c3630317e8"
export const TIMELINE = "1e8a3f1d2c4b5a69788796a5b4c3d2e1"
export const LSN = fromBigInt(0x1800000n)

export interface RigOptions {
  readonly content?: Buffer
  readonly faults?: ReadonlyArray<Fault.Fault>
  readonly safekeepers?: number
  readonly shards?: number
  readonly tokens?: boolean
}

const hex = (value: number) => value.toString(16).padStart(2, "0")

export const storage = (options: RigOptions = {}) =>
  Effect.gen(function* () {
    const key = options.tokens === true ? Tokens.generate() : null
    const world = new World(key === null ? [] : [key.publicKey])
    world.faults = options.faults ?? []
    const archive = new Archive(options.content ?? Buffer.from("archive"))
    const timeline = world.addTimeline(TENANT, TIMELINE, LSN, () => archive)
    const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)
    const safekeepers = yield* Effect.forEach(numbers(options.safekeepers ?? 3), (at) => safekeeper(world, at, HOST, 0))
    const shardNumbers = numbers(Math.max(options.shards ?? 0, 1))
    const libpq = yield* Effect.forEach(shardNumbers, (at) => pageserver(world, at, HOST, 0))
    const grpc = yield* Effect.forEach(shardNumbers, (at) => pageserverGrpc(world, at, HOST, 0))
    const count = options.shards ?? 0
    const parsed = (protocol: "libpq" | "grpc" = "libpq", members: Record<string, unknown> = {}) =>
      spec({
        mode: "Primary",
        pageserver_connstring: null,
        pageserver_connection_info: {
          shard_count: count,
          stripe_size: count === 0 ? null : 2048,
          prefer_protocol: protocol,
          shards: Object.fromEntries(
            shardNumbers.map((at) => [
              hex(at) + hex(count),
              {
                pageservers: [
                  {
                    id: at,
                    libpq_url: `postgresql://no_user@${HOST}:${libpq[at]?.port}`,
                    grpc_url: `grpc://no_user@${HOST}:${grpc[at]?.port}`
                  }
                ]
              }
            ])
          )
        },
        safekeeper_connstrings: safekeepers.map(({ port }) => `${HOST}:${port}`),
        ...(key !== null && {
          storage_auth_token: Tokens.issue(key.privateKey, { scope: "tenant", tenant_id: TENANT })
        }),
        ...members
      })
    const issue = (claims: object) => (key === null ? "" : Tokens.issue(key.privateKey, claims))
    const asked = (peer: Fault.Peer, what: "query" | "startup" | "call") =>
      world.asked.filter((one) => one.peer === peer && one.what === what)
    return { world, timeline, spec: parsed, issue, asked }
  })
