/**
 * Which version of Postgres the sessions of one service meet. The data directory tells it before the first one, the server
 * with the first one, and a refusal of an option when neither did.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { NEWEST, older, parseServerVersion, type ServerVersion } from "../../domain/postgres/session/SessionOptions.ts"

export interface MetVersion {
  /** The one to choose the options for. */
  readonly expected: () => ServerVersion
  /** Whether a server or a data directory has said so. */
  readonly isKnown: () => boolean
  /** Listens for what the server says of itself. */
  readonly heard: (parameter: string, value: string) => void
  /** What to try after a server has refused an option meant for that version; null when there is nothing left to leave out. */
  readonly below: (refused: ServerVersion) => ServerVersion | null
}

/** `PG_VERSION` holds one number. Anything but a small regular file is none of Postgres' and is not waited for. */
const BYTES = 16

const inDirectory = (pgdata: string): ServerVersion | null => {
  try {
    const file = fs.openSync(path.join(pgdata, "PG_VERSION"), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
    try {
      const stat = fs.fstatSync(file)
      if (!stat.isFile() || stat.size > BYTES) return null
      const bytes = Buffer.alloc(BYTES)
      return parseServerVersion(bytes.toString("utf8", 0, fs.readSync(file, bytes, 0, BYTES, 0)))
    } finally {
      fs.closeSync(file)
    }
  } catch {
    return null
  }
}

/** `pgdata` is null when the server is not the one that we run. */
export const meetVersion = (pgdata: string | null): MetVersion => {
  let known: ServerVersion | null = null
  const ask = (): ServerVersion | null => {
    known ??= pgdata === null ? null : inDirectory(pgdata)
    return known
  }
  return {
    expected: () => ask() ?? NEWEST,
    isKnown: () => ask() !== null,
    heard: (parameter, value) => {
      if (parameter === "server_version") known = parseServerVersion(value) ?? known
    },
    below: older
  }
}
