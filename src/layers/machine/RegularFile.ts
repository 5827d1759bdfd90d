/**
 * Files that others put in our way: configurations, keys, certificates, pid files, pieces of the data directory. Each is a
 * regular file, or a link to one, of limited size, and comes within a time.
 *
 * A pipe in the place of a file keeps whoever opens it until somebody writes to it: on the main thread that is the whole
 * process, in the thread pool one of its four threads for ever. A file of gigabytes takes as much memory, and a mount whose
 * server is gone never answers.
 */
import { constants, type Stats } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { codeOf, messageOf } from "../../domain/observe/ErrorChain.ts"

const KIB = 1024
const MIB = 1024 * KIB

/** Bytes a file of each kind may have. */
export const limits = {
  /** A spec or a configuration; `/configure` takes as much. */
  document: 64 * MIB,
  /** `postgresql.conf`, `pg_hba.conf` and the like. */
  settings: 16 * MIB,
  /** A key, a chain of certificates, a token. */
  credentials: MIB,
  /** A pid file, `PG_VERSION`, a signal file. */
  note: 64 * KIB
} as const

/** Milliseconds. */
const TIME = 10_000

/** The file cannot be read or is not what it has to be. */
export class FileUnreadable extends Data.TaggedError("FileUnreadable")<{
  readonly path: string
  /** The system's words, or what is wrong with the file; without its path. */
  readonly reason: string
  /** `ENOENT` and its like, when the system has refused. */
  readonly code: string | null
}> {
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

const kindOf = (status: Stats): string =>
  status.isFIFO()
    ? "a pipe"
    : status.isDirectory()
      ? "a directory"
      : status.isSocket()
        ? "a socket"
        : status.isCharacterDevice() || status.isBlockDevice()
          ? "a device"
          : "something else"

class Refused extends Error {}

const sizeText = (bytes: number): string =>
  bytes >= MIB ? `${bytes / MIB} MiB` : bytes >= KIB ? `${bytes / KIB} KiB` : `${bytes} bytes`

const tooLarge = (limit: number) => new Refused(`it is larger than ${sizeText(limit)}`)

/** What follows from the handle's position, at most one byte more than the limit. */
const readAll = async (handle: FileHandle, size: number, limit: number): Promise<Buffer> => {
  // Files of the kernel's own claim to be empty.
  let buffer = Buffer.alloc(size > 0 ? size : Math.min(limit + 1, 4 * KIB))
  let length = 0
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length)
    length += bytesRead
    if (length > limit) throw tooLarge(limit)
    if (bytesRead === 0 || length === size) return buffer.subarray(0, length)
    if (length === buffer.length) {
      buffer = Buffer.concat([buffer], Math.min(2 * length, limit + 1))
    }
  }
}

const read = async (path: string, limit: number): Promise<Buffer> => {
  // Opens a pipe without waiting for whoever writes to it.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  try {
    const status = await handle.stat()
    if (!status.isFile()) throw new Refused(`it is ${kindOf(status)}, not a regular file`)
    if (status.size > limit) throw tooLarge(limit)
    return await readAll(handle, status.size, limit)
  } finally {
    await handle.close()
  }
}

/** Reads that have not come back in time. Each holds a thread of the pool, so another of the same file is not begun. */
const stalled = new Set<string>()

/** What went wrong with a file, without its path, which the error names itself. */
export const fileReason = (error: unknown): string => messageOf(error).replace(/, [a-z]+( '.*)?$/s, "")

const unreadable = (path: string, error: unknown) =>
  new FileUnreadable({
    path,
    reason: fileReason(error),
    code: codeOf(error)
  })

export const readBytes = (path: string, limit: number): Effect.Effect<Buffer, FileUnreadable> =>
  Effect.suspend(() => {
    if (stalled.has(path)) {
      return Effect.fail(unreadable(path, new Refused("an earlier attempt to read it has not come back")))
    }
    // A timer rather than a timeout of the effect, which would wait for a read that nothing can interrupt.
    return Effect.callback<Buffer, FileUnreadable>((resume) => {
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        stalled.add(path)
        resume(Effect.fail(unreadable(path, new Refused(`it could not be read within ${TIME / 1000} seconds`))))
      }, TIME)
      const end = (contents: Effect.Effect<Buffer, FileUnreadable>) => {
        clearTimeout(timer)
        if (isLate) stalled.delete(path)
        resume(contents)
      }
      read(path, limit).then(
        (bytes) => end(Effect.succeed(bytes)),
        (error: unknown) => end(Effect.fail(unreadable(path, error)))
      )
    })
  })

export const readText = (path: string, limit: number): Effect.Effect<string, FileUnreadable> =>
  Effect.map(readBytes(path, limit), (bytes) => bytes.toString("utf8"))

const orMissing = <A>(contents: Effect.Effect<A, FileUnreadable>): Effect.Effect<A | null, FileUnreadable> =>
  Effect.catchIf(
    contents,
    ({ code }) => code === "ENOENT",
    () => Effect.succeed(null)
  )

/** Null when there is no such file. */
export const readTextIfAny = (path: string, limit: number) => orMissing(readText(path, limit))
