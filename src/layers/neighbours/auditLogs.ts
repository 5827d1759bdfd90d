/**
 * The files pgaudit writes beside Postgres' log. It begins a new one every few minutes and never removes any.
 */
import { lstat, readdir, unlink } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { wallMillis } from "../compute/clock/WallClock.ts"

/** By then a file has long been shipped. */
const KEPT_MILLIS = 15 * 60_000

const IS_AUDIT_FILE = /^audit.*\.log$/s

const list = (directory: string, recursive: boolean) =>
  Effect.promise(() => readdir(directory, { withFileTypes: true, recursive }).catch(() => []))

/** Null for a file that went away meanwhile. */
const statusOf = (path: string) => Effect.promise(() => lstat(path).catch(() => null))

/** Removes audit files that nobody has written to for 15 minutes, in the directory and below. */
export const cleanAuditLogs = (directory: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const now = yield* wallMillis
    for (const entry of yield* list(directory, true)) {
      if (!IS_AUDIT_FILE.test(entry.name) || entry.isDirectory()) continue
      const path = join(entry.parentPath, entry.name)
      const status = yield* statusOf(path)
      if (status === null || now - status.mtimeMs <= KEPT_MILLIS) continue
      yield* Effect.tryPromise(() => unlink(path)).pipe(
        Effect.catch((error) => Effect.logWarning(`audit file ${path} stays: ${error.message}`))
      )
    }
  })

/** Bytes of the logs directly in the directory; 0 when it cannot be read. */
export const sizeOfLogs = (directory: string): Effect.Effect<number> =>
  Effect.gen(function* () {
    const logs = (yield* list(directory, false)).filter((entry) => entry.name.endsWith("log") && !entry.isDirectory())
    const sizes = yield* Effect.forEach(logs, (entry) => statusOf(join(directory, entry.name)), { concurrency: 8 })
    return sizes.reduce((total, status) => total + (status?.isFile() ? status.size : 0), 0)
  })
