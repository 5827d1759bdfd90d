/**
 * A file system that takes no more: nobody makes room within a minute, so nothing is tried again.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { codeOf } from "../../../domain/observe/ErrorChain.ts"
import { DataDirectoryFailed } from "./errors.ts"

/** Without room, without quota, beyond what a file or this process's files may have, or not to be written at all. */
const CODES: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "EFBIG", "EROFS"])

const MIB = 1024 * 1024

/** What is left there, in words; empty where it cannot be asked. */
const room = (directory: string): string => {
  try {
    const { bavail, bsize, ffree } = fs.statfsSync(directory)
    const free = Math.floor((bavail * bsize) / MIB)
    return `; ${free} MiB are free in ${directory}${ffree === 0 ? ", and no file can be added" : ""}`
  } catch {
    return ""
  }
}

/** The error for a file that could not be written; it tells how much room there is when that is why. */
export const notWritten = (file: string, error: unknown, reason: string): DataDirectoryFailed => {
  return CODES.has(codeOf(error))
    ? new DataDirectoryFailed({ path: file, reason: `${reason}${room(path.dirname(file))}`, permanent: true })
    : new DataDirectoryFailed({ path: file, reason })
}
