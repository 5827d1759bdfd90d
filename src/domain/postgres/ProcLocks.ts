/**
 * Who holds a lock on a file, from the text of `/proc/locks`. Asking there instead of trying to lock the file leaves its
 * rightful owner undisturbed. Everybody on the machine may hold as many as he likes, so lines of other files are passed over.
 *
 * Source: proc_locks(5).
 */
export interface FileIdentity {
  readonly major: number
  readonly minor: number
  readonly inode: bigint
}

/** Device numbers as glibc packs them into `st_dev`. */
export const fileIdentity = (device: bigint, inode: bigint): FileIdentity => ({
  major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
  minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  inode
})

const LINE = /^\d+:\s+FLOCK\s+\w+\s+WRITE\s+(-?\d+)\s+([0-9a-f]+):([0-9a-f]+):\d+\s/
/** Characters of a line of the kernel's. */
const LONGEST = 200

/**
 * Whether somebody holds an exclusive flock on the file. On layered file systems the device of the lock may be another
 * than stat's; then the inode counts if its holder is `expectedPid`.
 */
export const isFlocked = (locks: string, file: FileIdentity, expectedPid: number): boolean => {
  const inode = `:${file.inode} `
  for (let at = locks.indexOf(inode); at !== -1; at = locks.indexOf(inode, at + 1)) {
    const before = locks.slice(Math.max(0, at - LONGEST), at + inode.length)
    const [, pid, major, minor] = LINE.exec(before.slice(before.lastIndexOf("\n") + 1)) ?? []
    if (pid === undefined || major === undefined || minor === undefined) continue
    const sameDevice = Number.parseInt(major, 16) === file.major && Number.parseInt(minor, 16) === file.minor
    if (sameDevice || Number(pid) === expectedPid) return true
  }
  return false
}
