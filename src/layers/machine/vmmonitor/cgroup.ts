/**
 * Watches the memory of a control group. One watcher for the process: an agent that connects anew finds the samples there.
 */
import { access, readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import { addSample, type History, noHistory, parseMemoryStat } from "../../../domain/vmmonitor/Decisions.ts"

const PERIOD = "100 millis"

export class NoCgroup extends Data.TaggedError("NoCgroup")<{ readonly message: string }> {}

export interface CgroupWatcher {
  /** Fails when there is nothing to watch. */
  readonly present: Effect.Effect<void, NoCgroup>
  readonly history: Effect.Effect<History>
}

/** The watch lasts as long as the scope. A statistic that cannot be read is no sample, rather than a sample of 0. */
export const watchCgroup = Effect.fnUntraced(function* (root: string, name: string) {
  const history = yield* Ref.make(noHistory)
  const path = join(root, name, "memory.stat")
  let readable = true

  const sample = Effect.gen(function* () {
    const text = yield* Effect.promise(() => readFile(path, "utf8").catch(() => ""))
    const bytes = parseMemoryStat(text)
    if (bytes === null) {
      if (readable) yield* Effect.logWarning(`no memory statistics in ${path}`)
      readable = false
      return
    }
    readable = true
    const now = yield* Clock.currentTimeMillis
    yield* Ref.update(history, (before) => addSample(before, bytes, now))
  })

  // A fixed pace without catching up: ticks missed while the machine was suspended are of no use.
  yield* Effect.forkScoped(Effect.repeat(sample, Schedule.spaced(PERIOD)))

  const watcher: CgroupWatcher = {
    history: Ref.get(history),
    present: Effect.tryPromise({
      try: () => access(join(root, "cgroup.controllers")),
      catch: () => new NoCgroup({ message: "cgroups v2 not supported" })
    })
  }
  return watcher
})
