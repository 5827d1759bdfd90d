/**
 * The compute of `dev`: its ports, its configuration file and its command line.
 */
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Emulator } from "../../../../emulator/Emulator.ts"
import * as Tokens from "../../../../emulator/peers/Tokens.ts"
import type { PostgresAccount } from "../../../../layers/machine/Account.ts"

const COMPUTE_ID = "dev"
const FIRST_PORT = 55_432

export class NoPort extends Data.TaggedError("NoPort")<{ readonly port: number; readonly reason: string }> {
  override get message() {
    return `port ${this.port}: ${this.reason}`
  }
}

const tryPort = (port: number) =>
  Effect.callback<number, NoPort>((resume) => {
    const server = net.createServer()
    server.once("error", (error) => resume(Effect.fail(new NoPort({ port, reason: error.message }))))
    server.listen(port, "127.0.0.1", () => {
      server.close(() => resume(Effect.succeed(port)))
    })
  })

/** The wished ports where one is wished, else the first free ones; all different. */
export const freePorts = (wished: ReadonlyArray<number | null>): Effect.Effect<ReadonlyArray<number>, NoPort> =>
  Effect.gen(function* () {
    const taken = new Set(wished.filter((port) => port !== null))
    const ports: Array<number> = []
    let next = FIRST_PORT
    for (const wish of wished) {
      if (wish !== null) {
        ports.push(yield* tryPort(wish))
        continue
      }
      const free = Effect.suspend(() => {
        while (taken.has(next)) next++
        return tryPort(next++)
      })
      ports.push(yield* Effect.retry(free, Schedule.recurs(1000)))
    }
    return ports
  })

export interface DevCompute {
  readonly emulator: Emulator
  readonly dir: string
  readonly ports: { readonly postgres: number; readonly external: number; readonly internal: number }
  readonly token: string
  readonly tokenFile: string
  readonly empty: boolean
  /** Where it goes when the compute has ended. */
  readonly kept: string | null
}

interface Wanted {
  readonly emulator: Emulator
  readonly keys: Tokens.KeyPair
  readonly ports: ReadonlyArray<number>
  readonly account: PostgresAccount | null
  readonly grpc: boolean
  readonly empty: boolean
  readonly kept: string | null
}

const setting = (name: string, value: string, vartype: string) => ({ name, value, vartype })

const specOf = ({ emulator, grpc }: Wanted, port: number) => {
  const { addresses } = emulator
  return {
    format_version: 1,
    suspend_timeout_seconds: -1,
    // A session that comes and goes between two looks counts as well: `last active` tells of a psql of a moment.
    features: ["activity_monitor_experimental"],
    tenant_id: addresses.tenant_id,
    timeline_id: addresses.timeline_id,
    project_id: "dev",
    endpoint_id: COMPUTE_ID,
    safekeeper_connstrings: addresses.safekeepers,
    pageserver_connection_info: {
      shard_count: 0,
      stripe_size: null,
      prefer_protocol: grpc ? "grpc" : "libpq",
      shards: {
        "0000": {
          pageservers: [
            { id: 1, libpq_url: addresses.pageservers[0] ?? null, grpc_url: addresses.pageservers_grpc[0] ?? null }
          ]
        }
      }
    },
    endpoint_storage_addr: addresses.endpoint_storage,
    endpoint_storage_token: addresses.storage_token ?? "dev",
    cluster: {
      cluster_id: "dev",
      roles: [{ name: "app", encrypted_password: null, options: null }],
      databases: [{ name: "app", owner: "app", options: null }],
      settings: [
        setting("port", String(port), "integer"),
        setting("listen_addresses", "127.0.0.1", "string"),
        // The folder that a system's Postgres was built with need not be ours to write.
        setting("unix_socket_directories", "", "string"),
        setting("fsync", "off", "bool"),
        setting("max_connections", "100", "integer")
      ]
    }
  }
}

/** Writes `config.json`; the data directory will be beside it. */
export const prepare = (wanted: Wanted): Effect.Effect<DevCompute> =>
  Effect.sync(() => {
    const [postgres = 0, external = 0, internal = 0] = wanted.ports
    const dir = path.join(wanted.emulator.addresses.dir, "compute")
    fs.mkdirSync(dir, { mode: 0o711 })
    if (wanted.account !== null) fs.chownSync(dir, wanted.account.uid, wanted.account.gid)
    const config = {
      spec: wanted.empty ? null : specOf(wanted, postgres),
      compute_ctl_config: { jwks: { keys: [wanted.keys.jwk] }, tls: null }
    }
    fs.writeFileSync(path.join(dir, "config.json"), JSON.stringify(config, null, 2), { mode: 0o600 })
    // What `POST /configure` may be given to try it out.
    const configure = { ...config, spec: specOf(wanted, postgres) }
    fs.writeFileSync(path.join(dir, "configure.json"), JSON.stringify(configure, null, 2), { mode: 0o600 })
    // Such as a control plane holds: everything may be tried with it.
    const token = Tokens.issue(wanted.keys.privateKey, { scope: "compute_ctl:admin", aud: ["compute"] })
    const tokenFile = path.join(dir, "token")
    fs.writeFileSync(tokenFile, token, { mode: 0o600 })
    const { emulator, empty, kept } = wanted
    return { emulator, dir, ports: { postgres, external, internal }, token, tokenFile, empty, kept }
  })

export const connstr = ({ ports }: DevCompute) => `postgresql://cloud_admin@127.0.0.1:${ports.postgres}/postgres`

export const dataDirectory = ({ dir }: DevCompute): string => path.join(dir, "pgdata")

export const commandLine = (compute: DevCompute): ReadonlyArray<string> => [
  "--pgdata",
  dataDirectory(compute),
  "--connstr",
  connstr(compute),
  "--pgbin",
  compute.emulator.addresses.pgbin,
  "--config",
  path.join(compute.dir, "config.json"),
  "--compute-id",
  COMPUTE_ID,
  "--external-http-port",
  String(compute.ports.external),
  "--internal-http-port",
  String(compute.ports.internal),
  "--dev"
]
