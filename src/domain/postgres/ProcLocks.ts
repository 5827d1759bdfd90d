/**
 * Who holds a lock on a file, from the text of `/proc/locks`. Asking there instead of trying to lock the file leaves its
 * rightful owner undisturbed.
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

const LINE = /^\d+:\s+FLOCK\s+\w+\s+WRITE\s+(-?\d+)\s+([0-9a-f]+):([0-9a-f]+):(\d+)\s/

/**
 * Whether somebody holds an exclusive flock on the file. On layered file systems the device of the lock may be another
 * than stat's; then the inode counts if its holder is `expectedPid`.
 */
export const isFlocked = (locks: string, file: FileIdentity, expectedPid: number): boolean =>
  locks.split("\n").some((line) => {
    const [, pid, major, minor, inode] = LINE.exec(line) ?? []
    if (pid === undefined || major === undefined || minor === undefined || inode === undefined) return false
    if (BigInt(inode) !== file.inode) return false
    const sameDevice = Number.parseInt(major, 16) === file.major && Number.parseInt(minor, 16) === file.minor
    return sameDevice || Number(pid) === expectedPid
  })
