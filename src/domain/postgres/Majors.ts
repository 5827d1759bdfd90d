/**
 * The major versions of Postgres that a compute serves, and what differs between them.
 *
 * Source: PostgreSQL release notes, 14 to 18.
 */
import { excerpt } from "../json/Excerpt.ts"

export interface MajorTraits {
  readonly major: number
  /** What `initdb` is told, so that the order of texts does not depend on the machine's libraries; null before there was a choice. */
  readonly localeProvider: "libc" | "builtin" | null
  /** Settings that came with it and that a user could turn against our sessions, with the values that ours have. */
  readonly sessionSettings: Readonly<Record<string, string>>
  /** The first minor version that knows `restrict_nonsystem_relation_kind`: without it a view that we read may be forbidden. */
  readonly restrictsViewsSince: number
}

/** Oldest first. */
export const MAJORS: ReadonlyArray<MajorTraits> = [
  { major: 14, localeProvider: null, sessionSettings: {}, restrictsViewsSince: 13 },
  {
    major: 15,
    localeProvider: "libc",
    sessionSettings: { stats_fetch_consistency: "cache" },
    restrictsViewsSince: 8
  },
  {
    major: 16,
    localeProvider: "libc",
    sessionSettings: { icu_validation_level: "warning" },
    restrictsViewsSince: 4
  },
  {
    major: 17,
    localeProvider: "builtin",
    // One millisecond of the first ends a session of ours; by the second whoever owns a database would have his functions
    // called at each of our logins and changes.
    sessionSettings: { transaction_timeout: "0", event_triggers: "off" },
    restrictsViewsSince: 0
  },
  { major: 18, localeProvider: "builtin", sessionSettings: { file_copy_method: "copy" }, restrictsViewsSince: 0 }
]

/** What SQL depends on: the `server_version_num` of the first server that has it. */
export const since = {
  /** `pg_parameter_acl` */
  accessListsOfParameters: 150_000,
  /** The schema `public` belongs to `pg_database_owner`, and not everybody creates in it. */
  closedPublicSchema: 150_000,
  /** `pg_create_subscription`; who owns a subscription need be no superuser. */
  subscriptionRole: 160_000,
  /** `pg_log_standby_snapshot` */
  standbySnapshots: 160_000
} as const

const first = MAJORS[0]?.major
const last = MAJORS.at(-1)?.major

/** For messages. */
export const SERVED = `Postgres ${first} to ${last}`

/** Null for one that no compute serves. */
export const traitsOf = (major: number): MajorTraits | null => MAJORS.find((traits) => traits.major === major) ?? null

/** Of `postgres (PostgreSQL) 15.18 (Debian ...)`, `PostgreSQL 17.10`; null when it says none. */
export const majorOf = (version: string): number | null => {
  const digits = /\bPostgreSQL\)? (\d{1,4})/.exec(version)?.[1]
  return digits === undefined ? null : Number(digits)
}

/** Why a program that says so of itself is no server for a compute; null when it is one. */
export const whyNotServed = (program: string, version: string): string | null => {
  const major = majorOf(version)
  if (major === null) return `${program} does not say which Postgres it is: ${excerpt(version.trim())}`
  return traitsOf(major) === null ? `${program} is Postgres ${major}, and a compute runs ${SERVED}` : null
}
