/**
 * Processes that init started and that we only signal. A pid file may be stale, so a pid is believed when the process
 * bears the right name.
 */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { limits, readText } from "./RegularFile.ts"

const text = (path: string): Effect.Effect<string | null> =>
  Effect.promise(() => readFile(path, "utf8").catch(() => null))

/** The number in a pid file; null when there is no file or no number of at least 1 in it. */
export const readPid = (path: string): Effect.Effect<number | null> =>
  Effect.map(
    Effect.orElseSucceed(readText(path, limits.note), () => null),
    (content) => {
      const pid = /^\s*(\d{1,10})\s*$/.exec(content ?? "")?.[1]
      return pid === undefined || Number(pid) < 1 ? null : Number(pid)
    }
  )

/** The kernel keeps 15 characters of a name. A zombie is no process any more: it holds nothing and hears nothing. */
const bears = (stat: string | null, name: string): boolean => {
  const [, comm, state] = /^\d+ \((.*)\) (\S)/s.exec(stat ?? "") ?? []
  return comm === name.slice(0, 15) && state !== "Z" && state !== "X"
}

/** Whether `pid` is alive and called `name`. */
export const isNamed = (pid: number, name: string, proc = "/proc"): Effect.Effect<boolean> =>
  Effect.map(text(join(proc, String(pid), "stat")), (stat) => bears(stat, name))

const allPids = (proc: string): Effect.Effect<ReadonlyArray<number>> =>
  Effect.promise(() =>
    readdir(proc).then(
      (entries) => entries.filter((entry) => /^\d+$/.test(entry)).map(Number),
      () => []
    )
  )

/** Pids of all processes of that name. */
export const named = (name: string, proc = "/proc"): Effect.Effect<ReadonlyArray<number>> =>
  Effect.gen(function* () {
    return yield* Effect.filter(yield* allPids(proc), (pid) => isNamed(pid, name, proc), { concurrency: 16 })
  })

/** Without the NULs that fill up what a shorter title has left. */
const untilNul = (text: string): string => {
  let end = text.length
  while (end > 0 && text.charCodeAt(end - 1) === 0) end -= 1
  return text.slice(0, end)
}

export interface Titled {
  readonly pid: number
  readonly title: string
}

/** Processes by their command line, or by the title that they have put in its place. */
export const titled = (isWanted: (title: string) => boolean, proc = "/proc"): Effect.Effect<ReadonlyArray<Titled>> =>
  Effect.gen(function* () {
    const found = yield* Effect.forEach(
      yield* allPids(proc),
      (pid) =>
        Effect.map(text(join(proc, String(pid), "cmdline")), (content): ReadonlyArray<Titled> => {
          const title = untilNul(content ?? "")
          return isWanted(title) ? [{ pid, title }] : []
        }),
      { concurrency: 16 }
    )
    return found.flat()
  })

/** False when the process is gone or not ours to signal. `0` only asks. */
export const signalUnsafe = (pid: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

export const signalPid = (pid: number, signal: NodeJS.Signals): Effect.Effect<boolean> =>
  Effect.sync(() => signalUnsafe(pid, signal))
