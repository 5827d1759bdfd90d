/**
 * Waits until `postmaster.pid` says `ready`. File events push it; a poll is the net under a watch that stays silent.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { isReady } from "../../domain/PostmasterPid.ts"

const FILE = "postmaster.pid"
/** Milliseconds. Events come within one; some mounts never send any. */
const POLL = 20

const readyNow = (file: string): boolean => {
  try {
    return isReady(fs.readFileSync(file, "utf8"))
  } catch {
    return false
  }
}

/** Never fails: what cannot be read is not ready yet. Interruption takes the watch and the timer down. */
export const awaitReady = (pgdata: string): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const file = path.join(pgdata, FILE)
    let watcher: fs.FSWatcher | undefined
    const close = () => {
      clearInterval(timer)
      watcher?.close()
    }
    const check = () => {
      if (!readyNow(file)) return
      close()
      resume(Effect.void)
    }
    const timer = setInterval(check, POLL)
    try {
      watcher = fs.watch(pgdata, (_, name) => (name === null || name === FILE) && check())
      watcher.on("error", () => watcher?.close())
    } catch {
      // No watch on this file system, or the descriptors are used up: the poll alone does it.
    }
    check()
    return Effect.sync(close)
  })
