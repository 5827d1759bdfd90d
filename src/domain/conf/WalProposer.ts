/**
 * Commits that nobody would ever confirm: they wait for the standby that neon's library is, and no neon is loaded.
 *
 * Source: `pgxn/neon/walproposer_pg.c` (the name it takes); PostgreSQL documentation, "Replication".
 */
import { synchronousCommit } from "../postgres/session/SessionOptions.ts"
import { type ComputeSpec, findSetting } from "../spec/ComputeSpec.ts"
import type { Fault } from "./Fault.ts"
import { libraries } from "./PreloadList.ts"
import { settingsOf } from "./RestartSettings.ts"

const STANDBYS = "synchronous_standby_names"
const PRELOAD = "shared_preload_libraries"

/** As an item of `FIRST 1 (...)`, `ANY 1 (...)` or a plain list; Postgres compares without case. */
const NAMED = /(?:^|[\s,("])walproposer(?:$|[\s,)"])/i

const lastOf = ({ cluster }: ComputeSpec, name: string): number =>
  cluster.settings?.findLastIndex((setting) => setting.name.toLowerCase() === name) ?? -1

interface Given {
  readonly path: string
  readonly value: string
}

/** Where the value that counts was given; null when the spec gives none. */
const given = (spec: ComputeSpec, name: string): Given | null => {
  const index = lastOf(spec, name)
  if (index >= 0) return { path: `spec.cluster.settings[${index}]`, value: spec.cluster.settings?.[index]?.value ?? "" }
  const text = spec.cluster.postgresql_conf
  const value = text === null ? undefined : settingsOf(text).get(name)
  return value === undefined ? null : { path: "spec.cluster.postgresql_conf", value }
}

/** The audit block stands after all settings, and takes its list from them alone. */
const preloads = (spec: ComputeSpec): ReadonlyArray<string> =>
  libraries(
    spec.audit_log_level === "Disabled"
      ? (given(spec, PRELOAD)?.value ?? "")
      : (findSetting(spec.cluster.settings, PRELOAD) ?? "neon")
  )

/** By a path too. */
export const preloadsNeon = (spec: ComputeSpec): boolean =>
  preloads(spec).some((name) => name === "neon" || name.endsWith("/neon"))

/** Null when commits have whom they wait for, wait for nobody, or are not made here. */
export const missingWalProposer = (spec: ComputeSpec): Fault | null => {
  if (spec.mode !== "Primary") return null
  const standbys = given(spec, STANDBYS)
  if (standbys === null || !NAMED.test(standbys.value)) return null
  if (preloadsNeon(spec)) return null
  const commit = synchronousCommit(spec)
  if (commit === "off" || commit === "local") return null
  return {
    path: standbys.path,
    message: `${STANDBYS} names walproposer, which the library neon brings, and ${PRELOAD} has no neon: no commit would end`
  }
}
