/**
 * What of the configuration files is not in force, and why: what Postgres refused, and what waits for a restart.
 *
 * Source: PostgreSQL `src/backend/utils/misc/guc.c` (`ProcessConfigFileInternal`), view `pg_file_settings`.
 */
import * as Schema from "effect/Schema"
import { excerpt, shortened } from "../json/Excerpt.ts"
import { isSecretName, redact } from "../observe/Redaction.ts"

export const RefusedSetting = Schema.Struct({
  /** Null where a line could not be read at all. */
  name: Schema.NullOr(Schema.String),
  /** As it stands in the file, shortened and without secrets; null where there is none. */
  value: Schema.NullOr(Schema.String),
  file: Schema.NullOr(Schema.String),
  line: Schema.NullOr(Schema.Finite),
  reason: Schema.String,
  /** Postgres took note of it, and uses it from its next start on. */
  waits_for_restart: Schema.Boolean
}).annotate({ identifier: "RefusedSetting" })
export type RefusedSetting = typeof RefusedSetting.Type

/** A row of `pg_file_settings` with an error. */
export interface FileFault {
  readonly file: string | null
  readonly line: number | null
  readonly name: string | null
  readonly value: string | null
  readonly error: string
}

/** What `pg_settings` says of a setting that is in such a row, or waits for a restart. */
export interface KnownSetting {
  readonly name: string
  readonly pending: boolean
  /** What it takes; null for a text. */
  readonly takes: string | null
}

/** Entries that are told; more than these are counted. */
export const TOLD = 100

/** A bad value, of whatever kind; the other settings of the files are applied. */
const NOT_APPLIED = "setting could not be applied"
/** Of a setting that is in the files no more; it has no name there. */
const REMOVED = /^parameter "(.+)" cannot be changed without restarting the server$/
const WAITS = "it cannot be changed without a restart"

/** With one fault of these Postgres applies nothing of its files, and goes on with what it had. */
export const refusesAll = ({ error }: FileFault): boolean => error !== NOT_APPLIED && !REMOVED.test(error)

const shownValue = (name: string | null, value: string | null): string | null =>
  value === null ? null : name !== null && isSecretName(name) ? "<redacted>" : excerpt(redact(value))

/** In the order of the files, and after them what waits for a restart without being in any. */
export const refusedSettings = (
  faults: ReadonlyArray<FileFault>,
  known: ReadonlyArray<KnownSetting>
): ReadonlyArray<RefusedSetting> => {
  const byName = new Map(known.map((setting) => [setting.name.toLowerCase(), setting]))
  const told = new Set<string>()
  const inFiles = faults.map((fault): RefusedSetting => {
    const removed = REMOVED.exec(fault.error)?.[1]
    const name = fault.name ?? removed ?? null
    const setting = name === null ? undefined : byName.get(name.toLowerCase())
    const waits = removed !== undefined || (fault.error === NOT_APPLIED && setting?.pending === true)
    if (name !== null) told.add(name.toLowerCase())
    const takes = fault.error === NOT_APPLIED && setting?.takes != null ? `, it takes ${setting.takes}` : ""
    return {
      name: name === null ? null : excerpt(name),
      value: shownValue(name, fault.value),
      file: fault.file,
      line: fault.line,
      reason: waits ? WAITS : `${shortened(redact(fault.error))}${takes}`,
      waits_for_restart: waits
    }
  })
  const others = known.filter(({ name, pending }) => pending && !told.has(name.toLowerCase()))
  return [
    ...inFiles,
    ...others.map(({ name }) => ({
      name,
      value: null,
      file: null,
      line: null,
      reason: WAITS,
      waits_for_restart: true
    }))
  ]
}

/** Names of what Postgres uses from its next start on. */
export const waitForRestart = (settings: ReadonlyArray<RefusedSetting>): ReadonlyArray<string> =>
  settings.flatMap(({ name, waits_for_restart }) => (waits_for_restart && name !== null ? [name] : []))

export const refusedOnly = (settings: ReadonlyArray<RefusedSetting>): ReadonlyArray<RefusedSetting> =>
  settings.filter(({ waits_for_restart }) => !waits_for_restart)

/** `work_mem = 'x' (/pgdata/postgresql.conf:7): setting could not be applied` */
const describeRefused = ({ file, line, name, reason, value }: RefusedSetting): string => {
  const what = name === null ? "" : value === null ? name : `${name} = '${value}'`
  const where = file === null ? "" : `(${file}:${line})`
  const head = [what, where].filter((part) => part !== "").join(" ")
  return head === "" ? reason : `${head}: ${reason}`
}

/** How many are named in one line of the log or one error. */
const NAMED = 5

export const describeAll = (settings: ReadonlyArray<RefusedSetting>): string => {
  const more = settings.length > NAMED ? `; and ${settings.length - NAMED} more` : ""
  return `${settings.slice(0, NAMED).map(describeRefused).join("; ")}${more}`
}
