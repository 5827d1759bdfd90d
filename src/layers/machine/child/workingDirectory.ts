/**
 * Where a child starts. A directory that was removed under us is none: Postgres and its tools look for it first and end
 * with "could not identify current directory". Neither is one that the child may not enter, as root's own is for the
 * account that Postgres gets.
 */
import * as fs from "node:fs"
import * as path from "node:path"

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Whether the account may pass through a directory; it has no other group when a child starts. */
const passes = (directory: string, { uid, gid }: Owner): boolean => {
  const status = fs.statSync(directory)
  const bit = status.uid === uid ? 0o100 : status.gid === gid ? 0o010 : 0o001
  return (status.mode & bit) !== 0
}

const reaches = (directory: string, account: Owner): boolean => {
  const above = path.dirname(directory)
  return passes(directory, account) && (above === directory || reaches(above, account))
}

/** Undefined: ours, which relative paths of ours mean. `account`: the child's, where it is another than ours. */
export const workingDirectory = (account: Owner | null = null): string | undefined => {
  try {
    // Asks the kernel; `process.cwd()` remembers its first answer.
    const ours = fs.realpathSync.native(".")
    fs.accessSync(ours, fs.constants.X_OK)
    return account === null || account.uid === process.getuid?.() || reaches(ours, account) ? undefined : "/"
  } catch {
    return "/"
  }
}
