/**
 * Where a child starts. A directory that was removed under us is none: Postgres and its tools look for it first and end
 * with "could not identify current directory".
 */
import * as fs from "node:fs"

/** Undefined: ours, which relative paths of ours mean. */
export const workingDirectory = (): string | undefined => {
  try {
    // Asks the kernel; `process.cwd()` remembers its first answer.
    fs.realpathSync.native(".")
    return undefined
  } catch {
    return "/"
  }
}
