/**
 * Everything a compute talks to, in this process: a quorum of safekeepers, a pageserver for each shard with both doors,
 * endpoint storage, extension store, control plane, and a Postgres distribution to run against them.
 */
import type { KeyObject } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Lsn from "../domain/spec/Lsn.ts"
import { controlPort } from "./ControlPort.ts"
import { controlPlane } from "./peers/ControlPlane.ts"
import { endpointStorage } from "./peers/EndpointStorage.ts"
import { extensionStore } from "./peers/ExtensionStore.ts"
import { pageserver } from "./peers/Pageserver.ts"
import { pageserverGrpc } from "./peers/PageserverGrpc.ts"
import { safekeeper } from "./peers/Safekeeper.ts"
import type { ListenFailed } from "./peers/TcpServer.ts"
import * as Tokens from "./peers/Tokens.ts"
import { Archive } from "./postgres/Archive.ts"
import { archiveOf, freshCluster } from "./postgres/Cluster.ts"
import {
  type Account,
  attempt,
  type Distribution,
  type DistributionFailed,
  distribution,
  fakeDistribution
} from "./postgres/Distribution.ts"
import { cacheFolder, namedFolder, scratchFolder } from "./postgres/folders.ts"
import { neonShape } from "./postgres/neonShape.ts"
import { type Asked, World } from "./World.ts"

/** Where a fixed port is wished for; 0 or absent = a free one. Several of a kind get consecutive ports. */
export interface Ports {
  readonly safekeepers?: number | undefined
  readonly pageservers?: number | undefined
  readonly grpc?: number | undefined
  readonly storage?: number | undefined
  readonly extensions?: number | undefined
  readonly controlPlane?: number | undefined
  readonly control?: number | undefined
}

/** What the timeline holds: a vanilla cluster, a small archive of Neon's shape, or recorded archives as they are. */
export type Content =
  | { readonly _tag: "Cluster" }
  | { readonly _tag: "NeonShape" }
  | { readonly _tag: "Files"; readonly primary: string; readonly replica?: string | undefined }

export interface EmulatorOptions {
  readonly host?: string | undefined
  readonly ports?: Ports | undefined
  /** Default 3. */
  readonly safekeepers?: number | undefined
  /** Shards of the tenant; 0 = unsharded, which is one pageserver. Default 0. */
  readonly shards?: number | undefined
  readonly tenant?: string | undefined
  readonly timeline?: string | undefined
  /** Where the timeline stands. Default `0/1800000`. */
  readonly lsn?: Lsn.Lsn | undefined
  /** A real `postgres`; null = a fake one that is ready at once. */
  readonly pgbin: string | null
  /** Default: `Cluster` with a real Postgres, `NeonShape` with the fake one. */
  readonly content?: Content | undefined
  /** Storage asks for tokens of this key's owner. Default: nobody is asked. */
  readonly tokenKey?: Tokens.KeyPair | undefined
  /** Further keys whose tokens storage accepts. */
  readonly publicKeys?: ReadonlyArray<KeyObject> | undefined
  /** As root: who Postgres is to run as. */
  readonly account: Account | null
  /** Default: a new folder under the system's temporary one, removed with the scope. */
  readonly dir?: string | undefined
  /** Where things are kept that are made once: clusters, copies of Postgres. */
  readonly cache?: string | undefined
  /** Folder of extension archives. Default: an empty one. */
  readonly extensions?: string | undefined
  readonly log?: ((asked: Asked) => void) | undefined
}

export interface Addresses {
  readonly tenant_id: string
  readonly timeline_id: string
  /** `host:port` each, as `safekeeper_connstrings` wants them. */
  readonly safekeepers: ReadonlyArray<string>
  /** One URL per shard. */
  readonly pageservers: ReadonlyArray<string>
  readonly pageservers_grpc: ReadonlyArray<string>
  /** `host:port`. */
  readonly endpoint_storage: string
  readonly remote_extensions: string
  readonly control_plane: string
  readonly control: string
  readonly pgbin: string
  readonly pg_version: string
  readonly dir: string
  /** A token for the storage, when it asks for one. */
  readonly storage_token: string | null
}

export interface Emulator {
  readonly world: World
  readonly addresses: Addresses
  readonly distribution: Distribution
  /** A token that storage accepts for a tenant. */
  readonly storageToken: (tenant: string) => string | null
  /** Takes the stopped data directory as the timeline's content from now on. */
  readonly keep: (options: {
    readonly tenant: string
    readonly timeline: string
    readonly pgdata: string
    readonly lsn: Lsn.Lsn
  }) => Effect.Effect<Archive, DistributionFailed>
}

const defaultTenant = "b0554b632bd4d547a63b86c3630317e8"
const defaultTimeline = "1e8a3f1d2c4b5a69788796a5b4c3d2e1"
export const defaultLsn = Lsn.fromBigInt(0x1800000n)

const makeFolder = ({ dir }: EmulatorOptions) =>
  dir === undefined
    ? scratchFolder(null)
    : Effect.tap(namedFolder(dir), (made) =>
        attempt(`cannot empty ${made}`, () => {
          for (const old of ["real", "bin", "sync-safekeepers"])
            fs.rmSync(path.join(made, old), { recursive: true, force: true })
        })
      )

const load = (file: string) => attempt(`cannot read ${file}`, () => new Archive(fs.readFileSync(file)))

/** The archive for primaries and for replicas. */
const contentOf = Effect.fnUntraced(function* (
  options: EmulatorOptions,
  made: Distribution,
  dir: string,
  cache: string
) {
  const content: Content = options.content ?? { _tag: options.pgbin === null ? "NeonShape" : "Cluster" }
  if (content._tag === "NeonShape") {
    const one = yield* neonShape(made.version.split(".")[0] ?? "17")
    return () => one
  }
  if (content._tag === "Files") {
    const primary = yield* load(content.primary)
    const replica = content.replica === undefined ? primary : yield* load(content.replica)
    return (isReplica: boolean) => (isReplica ? replica : primary)
  }
  const { account } = options
  const one = yield* freshCluster({ bin: made.realBin, version: made.version, work: dir, cache, account })
  return () => one
})

const makeDistribution = (
  options: EmulatorOptions,
  dir: string,
  cache: string,
  control: { host: string; port: number }
) =>
  options.pgbin === null
    ? fakeDistribution(dir, control)
    : distribution({ pgbin: options.pgbin, dir, cache, control, account: options.account })

const several = <A, E, R>(
  count: number,
  first: number | undefined,
  make: (at: number, port: number) => Effect.Effect<A, E, R>
) =>
  Effect.forEach(
    Array.from({ length: count }, (_, at) => at),
    (at) => make(at, first === undefined || first === 0 ? 0 : first + at),
    { concurrency: "unbounded" }
  )

/** Starts everything on free ports, or on those wished for; all of it ends with the scope. */
export const start = (
  options: EmulatorOptions
): Effect.Effect<Emulator, ListenFailed | DistributionFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { host = "127.0.0.1", ports = {}, tenant = defaultTenant, timeline = defaultTimeline } = options
    const key = options.tokenKey
    const publicKeys = options.publicKeys ?? []
    const world = new World(key === undefined ? publicKeys : [key.publicKey, ...publicKeys], options.log)
    const dir = yield* makeFolder(options)
    const cache = yield* options.cache === undefined ? cacheFolder() : namedFolder(options.cache)
    let addresses: object = {}
    const control = yield* controlPort(world, () => addresses, host, ports.control ?? 0)
    const made = yield* makeDistribution(options, dir, cache, { host, port: control.port })
    const archive = yield* contentOf(options, made, dir, cache)
    world.addTimeline(tenant, timeline, options.lsn ?? defaultLsn, archive)
    const extensions = options.extensions ?? path.join(dir, "extensions")
    yield* attempt(`cannot make ${extensions}`, () => fs.mkdirSync(extensions, { recursive: true }))
    const shards = Math.max(options.shards ?? 0, 1)
    const servers = yield* Effect.all(
      {
        safekeepers: several(options.safekeepers ?? 3, ports.safekeepers, (at, port) =>
          safekeeper(world, at, host, port)
        ),
        pageservers: several(shards, ports.pageservers, (at, port) => pageserver(world, at, host, port)),
        grpc: several(shards, ports.grpc, (at, port) => pageserverGrpc(world, at, host, port)),
        storage: endpointStorage(world, host, ports.storage ?? 0),
        extensions: extensionStore(world, extensions, host, ports.extensions ?? 0),
        controlPlane: controlPlane(world, host, ports.controlPlane ?? 0)
      },
      { concurrency: "unbounded" }
    )
    const storageToken = (of: string) =>
      key === undefined ? null : Tokens.issue(key.privateKey, { scope: "tenant", tenant_id: of })
    const ready: Addresses = {
      tenant_id: tenant,
      timeline_id: timeline,
      safekeepers: servers.safekeepers.map(({ port }) => `${host}:${port}`),
      pageservers: servers.pageservers.map(({ port }) => `postgresql://no_user@${host}:${port}`),
      pageservers_grpc: servers.grpc.map(({ port }) => `grpc://no_user@${host}:${port}`),
      endpoint_storage: `${host}:${servers.storage.port}`,
      remote_extensions: `http://${host}:${servers.extensions.port}`,
      control_plane: `http://${host}:${servers.controlPlane.port}`,
      control: `http://${host}:${control.port}`,
      pgbin: made.pgbin,
      pg_version: made.version,
      dir,
      storage_token: storageToken(tenant)
    }
    addresses = ready
    return {
      world,
      addresses: ready,
      distribution: made,
      storageToken,
      keep: ({ tenant: of, timeline: name, pgdata, lsn }) =>
        Effect.map(archiveOf(pgdata), (kept) => {
          world.addTimeline(of, name, lsn, () => kept)
          return kept
        })
    }
  })
