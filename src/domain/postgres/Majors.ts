/**
 * The major versions of Postgres that a compute serves, and what differs between them.
 *
 * Source: PostgreSQL release notes, 15 to 18.
 */

export interface MajorTraits {
  readonly major: number
  /** What `initdb` is told, so that the order of texts does not depend on the machine's libraries; null before there was a choice. */
  readonly localeProvider: "libc" | "builtin" | null
}

/** Oldest first. */
const MAJORS: ReadonlyArray<MajorTraits> = [
  { major: 14, localeProvider: null },
  { major: 15, localeProvider: "libc" },
  { major: 16, localeProvider: "libc" },
  { major: 17, localeProvider: "builtin" },
  { major: 18, localeProvider: "builtin" }
]

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
