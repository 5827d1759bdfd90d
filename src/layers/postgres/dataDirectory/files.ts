/**
 * Small files of the data directory. Writes are synchronous: each takes microseconds, less than a trip to the thread pool.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type { PostgresAccount } from "../../machine/Account.ts"
import { type FileUnreadable, fileReason, limits, readBytes, readTextIfAny } from "../../machine/RegularFile.ts"
import { notWritten } from "./diskFull.ts"
import { DataDirectoryFailed } from "./errors.ts"

/** Runs file calls whose failure is reported under `file`. */
export const attempt = <A>(file: string, calls: () => A): Effect.Effect<A, DataDirectoryFailed> =>
  Effect.try({ try: calls, catch: (error) => notWritten(file, error, fileReason(error)) })

/** The same for calls that are waited for. */
export const attemptAsync = <A>(file: string, calls: () => Promise<A>): Effect.Effect<A, DataDirectoryFailed> =>
  Effect.tryPromise({ try: calls, catch: (error) => notWritten(file, error, fileReason(error)) })

const failed = ({ path: file, reason }: FileUnreadable) => new DataDirectoryFailed({ path: file, reason })

/** The text of a file; null when there is none. */
export const readText = (file: string, limit: number = limits.settings) =>
  Effect.mapError(readTextIfAny(file, limit), failed)

/** The bytes of a key or a certificate. */
export const readCredentials = (file: string) => Effect.mapError(readBytes(file, limits.credentials), failed)

/** Whether a regular file with these bytes is there already. */
export const has = (file: string, bytes: Buffer): Effect.Effect<boolean> =>
  readBytes(file, bytes.length).pipe(
    Effect.map((present) => present.equals(bytes)),
    Effect.orElseSucceed(() => false)
  )

let serial = 0

/**
 * Replaces a file in one step, so that a Postgres that reads it meanwhile sees the old or the new text and never half of
 * one. Not synced to the disk: the directory is made anew at every start.
 */
export const writeAtomic = (
  file: string,
  content: string | Uint8Array,
  account: PostgresAccount | null,
  mode = 0o600
): void => {
  serial += 1
  const temporary = path.join(path.dirname(file), `.compute_ctl.${path.basename(file)}.${process.pid}.${serial}`)
  const descriptor = fs.openSync(temporary, "wx", mode)
  try {
    try {
      fs.writeFileSync(descriptor, content)
      if (account !== null) fs.fchownSync(descriptor, account.uid, account.gid)
    } finally {
      fs.closeSync(descriptor)
    }
    fs.renameSync(temporary, file)
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw error
  }
}
