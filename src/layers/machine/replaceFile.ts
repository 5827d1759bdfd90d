/**
 * Files that another program reads whenever it likes: it must never see half of one.
 */
import { chmod, chown, open, rename, rm, stat, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { codeOf, messageOf } from "../../domain/observe/ErrorChain.ts"
import { limits, readTextIfAny } from "./RegularFile.ts"

export class FileNotWritten extends Data.TaggedError("FileNotWritten")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

/** The text of a file; null when there is none. */
export const readText = (path: string): Effect.Effect<string | null, FileNotWritten> =>
  Effect.mapError(readTextIfAny(path, limits.settings), ({ reason }) => new FileNotWritten({ path, reason }))

const existing = (path: string) =>
  stat(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return null
    throw error
  })

/** What a rename meets in a directory of somebody else, or at a path that is a mount of its own. */
const NO_RENAME = ["EACCES", "EPERM", "EROFS", "EBUSY", "EXDEV"]

let serial = 0

const renameInto = async (path: string, text: string, was: Awaited<ReturnType<typeof existing>>, mode?: number) => {
  serial += 1
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${serial}`)
  try {
    const file = await open(temporary, "wx", mode ?? 0o644)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    if (was !== null) {
      await chmod(temporary, mode ?? was.mode & 0o7777)
      if (was.uid !== process.geteuid?.() || was.gid !== process.getegid?.()) await chown(temporary, was.uid, was.gid)
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/**
 * Replaces the text of a file in one step, keeping its mode and owner. Where that is not allowed (a writable file in
 * a directory of root, a file that is mounted alone) it is rewritten in place.
 */
export const replaceFile = (path: string, text: string, mode?: number): Effect.Effect<void, FileNotWritten> =>
  Effect.tryPromise({
    try: async () => {
      const was = await existing(path)
      try {
        await renameInto(path, text, was, mode)
      } catch (error) {
        if (was === null || !NO_RENAME.includes(codeOf(error) ?? "")) throw error
        await writeFile(path, text)
      }
    },
    catch: (error) => new FileNotWritten({ path, reason: messageOf(error) })
  }).pipe(Effect.uninterruptible)
