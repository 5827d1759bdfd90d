/**
 * What a reconfiguration from one configuration to another would change. Secrets are compared and never shown.
 */
import * as Redacted from "effect/Redacted"
import { isSecretName, redact } from "../observe/Redaction.ts"
import type { ComputeConfig } from "../spec/ComputeConfig.ts"
import type { ComputeSpec, Database, GenericOption, Role } from "../spec/ComputeSpec.ts"
import { settingsOf, type TakenBy, takenBy } from "./RestartSettings.ts"

export interface Change {
  readonly what: string
  /** Null: it is not there. */
  readonly from: string | null
  readonly to: string | null
}

export interface SettingChange extends Change {
  readonly taken_by: TakenBy
}

export interface Difference {
  readonly settings: ReadonlyArray<SettingChange>
  readonly roles: ReadonlyArray<Change>
  readonly databases: ReadonlyArray<Change>
  /** `delta_operations` of the new one: renamings and removals, which nothing else brings about. */
  readonly operations: ReadonlyArray<string>
  /** Whom the compute talks to: storage, proxies, collectors. */
  readonly peers: ReadonlyArray<Change>
  readonly others: ReadonlyArray<Change>
}

export interface Side {
  readonly config: ComputeConfig
  readonly spec: ComputeSpec
  /** The `postgresql.conf` that it renders to. */
  readonly conf: string
}

const HIDDEN = "(hidden)"

/** With something else in the place of secrets and of numbers that JSON has none for. */
const opened = (value: unknown, secret: (hidden: Redacted.Redacted<unknown>) => unknown): unknown => {
  if (Redacted.isRedacted(value)) return secret(value)
  if (typeof value === "bigint") return String(value)
  if (Array.isArray(value)) return value.map((part) => opened(part, secret))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, opened(part, secret)]))
}

/** In one line; a secret by a word. */
const shown = (value: unknown): string => {
  const open = opened(value, () => HIDDEN)
  return redact(typeof open === "string" ? open : JSON.stringify(open))
}

const revealed = (value: unknown): string => JSON.stringify(opened(value, Redacted.value)) ?? "null"

const isNothing = (value: unknown): boolean =>
  value === null || value === undefined || (Array.isArray(value) && value.length === 0)

const change = (what: string, from: unknown, to: unknown): ReadonlyArray<Change> => {
  if (revealed(from) === revealed(to)) return []
  const side = (value: unknown) => (isNothing(value) ? null : shown(value))
  const [before, after] = [side(from), side(to)]
  return [{ what, from: before, to: before !== null && before === after ? `${after}, another` : after }]
}

/** What is another setting in one `postgresql.conf` than in another. */
export const settingChanges = (a: string, b: string): ReadonlyArray<SettingChange> => {
  const [before, after] = [settingsOf(a), settingsOf(b)]
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const hide = (value: string | undefined) =>
      value === undefined ? undefined : isSecretName(name) ? Redacted.make(value) : value
    return change(name, hide(before.get(name)), hide(after.get(name))).map((one) => ({
      ...one,
      taken_by: takenBy(name)
    }))
  })
}

const optionsOf = (options: ReadonlyArray<GenericOption> | null): string =>
  (options ?? []).map(({ name, value }) => (value === null ? name : `${name} ${value}`)).join(", ")

/** What is left out of the new list stays as it is: only a delta operation removes. */
const named = <A extends { readonly name: string }>(
  before: ReadonlyArray<A>,
  after: ReadonlyArray<A>,
  compare: (before: A, after: A) => ReadonlyArray<Change>,
  describe: (one: A) => string
): ReadonlyArray<Change> => {
  const known = new Map(before.map((one) => [one.name, one]))
  return after.flatMap((one) => {
    const old = known.get(one.name)
    return old === undefined ? [{ what: one.name, from: null, to: describe(one) }] : compare(old, one)
  })
}

const roles = (before: ReadonlyArray<Role>, after: ReadonlyArray<Role>) =>
  named(
    before,
    after,
    (old, now) => [
      ...change(`${now.name}: password`, old.encrypted_password, now.encrypted_password),
      ...change(`${now.name}: options`, optionsOf(old.options), optionsOf(now.options))
    ],
    ({ options }) => `created${optionsOf(options) === "" ? "" : ` with ${optionsOf(options)}`}`
  )

const databases = (before: ReadonlyArray<Database>, after: ReadonlyArray<Database>) =>
  named(
    before,
    after,
    (old, now) => [
      ...change(`${now.name}: owner`, old.owner, now.owner),
      ...change(`${now.name}: options`, optionsOf(old.options), optionsOf(now.options))
    ],
    ({ owner }) => `created, owned by ${owner}`
  )

const PEERS = [
  ...(["pageserver_connection_info", "pageserver_connstring", "shard_stripe_size", "safekeeper_connstrings"] as const),
  ...(["safekeepers_generation", "storage_auth_token", "endpoint_storage_addr", "endpoint_storage_token"] as const),
  ...(["remote_extensions", "pgbouncer_settings", "local_proxy_config", "logs_export_host"] as const)
] as const

/** Told elsewhere, or read by nobody. */
const APART: ReadonlyArray<string> = [...PEERS, "cluster", "delta_operations", "format_version", "operation_uuid"]

const isApart = (name: string): boolean => APART.includes(name)

export const difference = (a: Side, b: Side): Difference => ({
  settings: settingChanges(a.conf, b.conf),
  roles: roles(a.spec.cluster.roles, b.spec.cluster.roles),
  databases: databases(a.spec.cluster.databases, b.spec.cluster.databases),
  operations: (b.spec.delta_operations ?? []).map(
    ({ action, name, new_name }) =>
      `${action} ${JSON.stringify(name)}${new_name === null ? "" : ` to ${JSON.stringify(new_name)}`}`
  ),
  peers: PEERS.flatMap((name) => change(name, a.spec[name], b.spec[name])),
  others: [
    ...Object.entries(b.spec).flatMap(([name, value]) =>
      isApart(name) ? [] : change(name, Object.entries(a.spec).find(([other]) => other === name)?.[1], value)
    ),
    ...change("keys of the API", a.config.compute_ctl_config.jwks.keys, b.config.compute_ctl_config.jwks.keys),
    ...change("TLS files", a.config.compute_ctl_config.tls, b.config.compute_ctl_config.tls)
  ]
})

export const isEmpty = (found: Difference): boolean => Object.values(found).every((list) => list.length === 0)
