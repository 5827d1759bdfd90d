/**
 * The shared memory segment of a Postgres that was killed: it has few bytes, but a machine has few segments, and nobody else
 * removes it once the data directory is gone.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import { type Segment, segmentOf } from "../../../domain/postgres/PostmasterPid.ts"
import { run } from "../../machine/child/process.ts"

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

/** `text`: of the `postmaster.pid` that was left. Node has no call for it; what does not work is left as it is. */
export const removeSharedMemory = (text: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const segment = segmentOf(text)
    if (segment === null || !isAbandoned(segment)) return Effect.void
    return Effect.ignore(run("ipcrm", { args: ["-m", String(segment.id)], timeout: "2 seconds" }))
  })
