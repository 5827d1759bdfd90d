/**
 * The empty data directory. Every start is a fresh start.
 */
import * as fs from "node:fs"
import { rm } from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type { PostgresAccount } from "../../machine/Account.ts"
import { DataDirectoryFailed } from "./errors.ts"
import { attempt, attemptAsync } from "./files.ts"
import { stopPredecessor } from "./predecessor.ts"

/** What file systems keep in their root, and give to root alone. */
const LOST_AND_FOUND = "lost+found"

const remove = async (directory: string, name: string): Promise<void> => {
  try {
    await rm(path.join(directory, name), { recursive: true, force: true })
  } catch (error) {
    if (name !== LOST_AND_FOUND) throw error
    throw new Error(
      `it is the root of a volume, whose ${LOST_AND_FOUND} cannot be removed: use a subdirectory of it, such as ${path.join(directory, "pgdata")}`
    )
  }
}

/** Symbolic links are removed, not followed: `pg_dynshmem` leads to the machine's shared memory. */
const empty = async (directory: string): Promise<void> => {
  for (const name of fs.readdirSync(directory)) await remove(directory, name)
}

const exists = (file: string): fs.Stats | undefined => fs.lstatSync(file, { throwIfNoEntry: false })

/** Makes way; a mount point stays, and is emptied. What is there may be millions of files: probes are answered meanwhile. */
const clear = async (directory: string): Promise<void> => {
  const found = exists(directory)
  if (found === undefined) return
  try {
    await rm(directory, { recursive: true, force: true })
  } catch {
    // A mount point, or a parent that is not ours to write: what counts is that nothing is left inside.
    await empty(directory)
  }
}

const make = (directory: string, account: PostgresAccount | null): void => {
  if (exists(directory) === undefined) fs.mkdirSync(directory, 0o700)
  else fs.chmodSync(directory, 0o700)
  if (account !== null) fs.chownSync(directory, account.uid, account.gid)
}

const refuse = (directory: string): string | null => {
  if (path.resolve(directory) === "/") return "the root directory cannot be the data directory"
  const found = exists(directory)
  if (found !== undefined && !found.isDirectory() && !found.isSymbolicLink()) return "exists and is not a directory"
  const parent = path.dirname(path.resolve(directory))
  return exists(parent) === undefined ? `cannot be created: its parent directory ${parent} does not exist` : null
}

export const create = (directory: string, account: PostgresAccount | null): Effect.Effect<void, DataDirectoryFailed> =>
  Effect.gen(function* () {
    const reason = yield* attempt(directory, () => refuse(directory))
    if (reason !== null) yield* new DataDirectoryFailed({ path: directory, reason })
    yield* stopPredecessor(directory, account)
    yield* attemptAsync(directory, () => clear(directory))
    yield* attempt(directory, () => make(directory, account))
  })
