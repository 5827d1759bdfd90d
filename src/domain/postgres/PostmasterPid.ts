/**
 * `postmaster.pid`: what a postmaster says of itself in its data directory.
 *
 * Source: PostgreSQL `src/include/utils/pidfile.h`; `compute_tools/src/pg_helpers.rs` (`wait_for_postgres`).
 */

const LARGEST = 2_147_483_647

/** The process id in the first line; null for what cannot be one. A signal to a wrong number meets somebody else. */
export const pidOf = (text: string): number | null => {
  const digits = /^[ \t]*(\d{1,10})[ \t\r]*(?:\n|$)/.exec(text)?.[1]
  const pid = Number(digits ?? 0)
  return pid > 0 && pid <= LARGEST ? pid : null
}

/** Whether the last line says that connections are accepted; a standby writes it once it is consistent. */
export const isReady = (text: string): boolean => text.trimEnd().split("\n").at(-1)?.trim() === "ready"

export interface Segment {
  /** As the system lists it: a signed number. */
  readonly key: number
  readonly id: number
}

/** The System V segment that holds the place of the server, in the seventh line; null where there is none yet. */
export const segmentOf = (text: string): Segment | null => {
  const [, key, id] = /^\s*(\d{1,10})\s+(\d{1,10})\s*$/.exec(text.split("\n")[6] ?? "") ?? []
  return key === undefined || id === undefined ? null : { key: Number(key) | 0, id: Number(id) }
}

export interface SocketLock {
  /** The directory of the socket as the server was told: it may be relative to the data directory. */
  readonly directory: string
  readonly name: string
  /** How its text begins; another server, with a number that has come again, has begun at another time. */
  readonly head: string
}

/** The lock beside the server's first Unix socket; null where it has none. It begins as `postmaster.pid` itself does. */
export const socketLockOf = (text: string): SocketLock | null => {
  const [pid = "", dataDirectory = "", started = "", port = "", directory = ""] = text.split("\n")
  if (pidOf(text) === null || !/^\d{1,5}$/.test(port) || directory === "" || directory.startsWith("@")) return null
  return { directory, name: `.s.PGSQL.${port}.lock`, head: `${[pid, dataDirectory, started, port].join("\n")}\n` }
}
