/**
 * Waits until `postmaster.pid` says `ready`. File events push it; a poll is the net under a watch that stays silent. On the
 * way it tells what gets on: another state in that file, or a control file that recovery has written anew.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { isReady } from "../../domain/postgres/PostmasterPid.ts"
import { limits, readTextIfAny } from "../machine/RegularFile.ts"

const FILE = "postmaster.pid"
/** Milliseconds. Events come within one; some mounts never send any. */
const POLL = 20

/** An element whenever it is worth to look again; several at once are one. */
const occasions = (pgdata: string): Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const queue = yield* Queue.sliding<void>(1)
    const look = () => void Queue.offerUnsafe(queue, undefined)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const timer = setInterval(look, POLL)
        try {
          const watcher = fs.watch(pgdata, (_, name) => (name === null || name === FILE) && look())
          watcher.on("error", () => watcher.close())
          return { timer, watcher }
        } catch {
          // No watch on this file system, or the descriptors are used up: the poll alone does it.
          return { timer, watcher: undefined }
        }
      }),
      ({ timer, watcher }) =>
        Effect.sync(() => {
          clearInterval(timer)
          watcher?.close()
        })
    )
    return queue
  })

const CONTROL = "global/pg_control"
/** Looks between two at the control file: about a second. */
const EVERY = 50

const writtenAt = (file: string): number => {
  try {
    return fs.statSync(file).mtimeMs
  } catch {
    return 0
  }
}

/** Never fails: what cannot be read is not ready yet, and is told once. Interruption takes the watch and the timer down. */
export const awaitReady = (pgdata: string, progress: () => void = () => {}): Effect.Effect<void> =>
  Effect.gen(function* () {
    const file = path.join(pgdata, FILE)
    const looks = yield* occasions(pgdata)
    const control = path.join(pgdata, CONTROL)
    let told = ""
    let seen = ""
    let written = writtenAt(control)
    let count = 0
    const watched = (text: string) => {
      const at = count++ % EVERY === 0 ? writtenAt(control) : written
      if (text !== seen || at !== written) progress()
      seen = text
      written = at
    }
    const isReadyNow = readTextIfAny(file, limits.note).pipe(
      Effect.tap((text) => Effect.sync(() => watched(text ?? ""))),
      Effect.map((text) => text !== null && isReady(text)),
      Effect.catch(({ message }) => {
        if (told === message) return Effect.succeed(false)
        told = message
        return Effect.as(Effect.logWarning(message), false)
      })
    )
    while (!(yield* isReadyNow)) yield* Queue.take(looks)
  }).pipe(Effect.scoped)
