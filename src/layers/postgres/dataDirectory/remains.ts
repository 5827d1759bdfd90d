/**
 * What a Postgres that was killed keeps outside of its data directory, once nobody works in it any more.
 *
 * Its shared memory segment has few bytes, but a machine has few segments. The lock beside its socket names its process: the
 * next Postgres believes it as long as the system knows such a number, be it of a process that nobody reaps or, in a container
 * that was started again, of somebody else.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { type Segment, segmentOf, socketLockOf } from "../../../domain/postgres/PostmasterPid.ts"
import { run } from "../../machine/child/process.ts"
import { limits, readText } from "../../machine/RegularFile.ts"

const isAbandoned = ({ id, key }: Segment): boolean => {
  try {
    return fs
      .readFileSync("/proc/sysvipc/shm", "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .some(([shmKey, shmId, , , , , attached]) => Number(shmKey) === key && Number(shmId) === id && attached === "0")
  } catch {
    return false
  }
}

/** Node has no call for it; what does not work is left as it is. */
const removeSharedMemory = (text: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const segment = segmentOf(text)
    if (segment === null || !isAbandoned(segment)) return Effect.void
    return Effect.ignore(run("ipcrm", { args: ["-m", String(segment.id)], timeout: "2 seconds" }))
  })

const removeSocketLock = (directory: string, text: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const lock = socketLockOf(text)
    if (lock === null) return
    const file = path.resolve(directory, lock.directory, lock.name)
    const present = yield* readText(file, limits.note)
    if (!present.startsWith(lock.head)) return
    yield* Effect.try(() => fs.rmSync(file))
  }).pipe(Effect.ignore)

/** `directory`: the data directory; `text`: of the `postmaster.pid` that was left there. */
export const removeRemains = (directory: string, text: string): Effect.Effect<void> =>
  Effect.andThen(removeSharedMemory(text), removeSocketLock(directory, text))
