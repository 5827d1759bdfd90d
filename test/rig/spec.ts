/**
 * Specs and config files for a compute on the emulator.
 */
import type { Addresses } from "../../src/emulator/Emulator.ts"
import { jwks } from "./tokens.ts"

/** JSON as tests write it: only what matters is typed. */
// biome-ignore lint/suspicious/noExplicitAny: specs are written in their wire form
export type SpecJson = Record<string, any>

export interface Setting {
  readonly name: string
  readonly value: string | null
  readonly vartype: string
}

export const setting = (name: string, value: string, vartype = "string"): Setting => ({ name, value, vartype })

/** Two objects as one; arrays and other values of the second replace those of the first. */
export const merge = (one: SpecJson, other: SpecJson): SpecJson => {
  const isObject = (value: unknown): value is SpecJson =>
    typeof value === "object" && value !== null && !Array.isArray(value)
  const out: SpecJson = { ...one }
  for (const [name, value] of Object.entries(other)) {
    out[name] = isObject(value) && isObject(out[name]) ? merge(out[name], value) : value
  }
  return out
}

/** A primary's spec without roles and databases, with settings that suit tests. `more` is merged over it. */
export const makeSpec = (
  addresses: Addresses,
  pg: { readonly port: number; readonly socketDir: string },
  more: SpecJson = {},
  settings: ReadonlyArray<Setting> = []
): SpecJson =>
  merge(
    {
      format_version: 1.0,
      suspend_timeout_seconds: -1,
      cluster: {
        roles: [],
        databases: [],
        settings: [
          setting("port", String(pg.port), "integer"),
          setting("listen_addresses", "127.0.0.1"),
          setting("unix_socket_directories", pg.socketDir),
          setting("fsync", "off", "bool"),
          setting("shared_buffers", "16MB"),
          setting("max_connections", "100", "integer"),
          ...settings
        ]
      },
      tenant_id: addresses.tenant_id,
      timeline_id: addresses.timeline_id,
      ...pageservers(addresses, "libpq"),
      safekeeper_connstrings: addresses.safekeepers,
      ...(addresses.storage_token === null ? {} : { storage_auth_token: addresses.storage_token })
    },
    more
  )

/** The members that tell where the pageservers are: the legacy string for one with libpq, the full form otherwise. */
export const pageservers = (addresses: Addresses, protocol: "libpq" | "grpc", stripeSize = 2048): SpecJson => {
  const count = addresses.pageservers.length
  if (count === 1 && protocol === "libpq") return { pageserver_connstring: addresses.pageservers[0] }
  const shardCount = count === 1 ? 0 : count
  const hex = (value: number) => value.toString(16).padStart(2, "0")
  return {
    pageserver_connstring: null,
    pageserver_connection_info: {
      shard_count: shardCount,
      stripe_size: shardCount === 0 ? null : stripeSize,
      prefer_protocol: protocol,
      shards: Object.fromEntries(
        addresses.pageservers.map((libpq_url, at) => [
          hex(at) + hex(shardCount),
          { pageservers: [{ id: at + 1, libpq_url, grpc_url: addresses.pageservers_grpc[at] ?? null }] }
        ])
      )
    }
  }
}

/** `config.json`. A null spec makes an empty compute. */
export const makeConfig = (spec: SpecJson | null, more: SpecJson = {}): SpecJson =>
  merge({ spec, compute_ctl_config: { jwks: jwks() } }, more)

/** What the control plane answers for it. */
export const controlPlaneAnswer = (spec: SpecJson | null): SpecJson => ({
  ...makeConfig(spec),
  status: spec === null ? "empty" : "attached"
})
