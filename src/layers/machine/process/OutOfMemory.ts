/**
 * Whom the kernel ends when memory runs out. A backend that is ended costs its session's work, the postmaster or ourselves
 * the whole compute: those two come last. What it prefers is a number of each process, inherited, which everybody may raise
 * and only a privileged process lower.
 *
 * Source: Linux `Documentation/filesystems/proc.rst`; PostgreSQL's documentation of the kernel's memory overcommit.
 */
import { readFileSync, writeFileSync } from "node:fs"

/** Not the lowest: where nobody may be ended, a cgroup that is full stands still. */
const LAST = -900
/** Where ours cannot be lowered, that of backends is raised: it counts as a fifth of the memory. */
const RAISE = 200
const HIGHEST = 1000

const scoreOf = (pid: number | "self") => `/proc/${pid}/oom_score_adj`

const write = (pid: number | "self", score: number): boolean => {
  try {
    writeFileSync(scoreOf(pid), String(score))
    return true
  } catch {
    return false
  }
}

const read = (): number | null => {
  try {
    const score = Number.parseInt(readFileSync(scoreOf("self"), "utf8"), 10)
    return Number.isInteger(score) ? score : null
  } catch {
    return null
  }
}

/** What we were started with; null before `comeLast`, and on a system without such numbers. */
let given: number | null = null
let lowered = false

/** Makes us one of the last. What we start is so too until it is told otherwise. */
export const comeLast = (): void => {
  given = read()
  lowered = given !== null && given > LAST && write("self", LAST)
}

/** For a process that we started and that is no more important than it was without us. */
export const comeEarlier = (pid: number): void => {
  if (lowered && given !== null) write(pid, given)
}

/** By these variables the postmaster gives its children another number than its own. */
export const backendScore = (): Readonly<Record<string, string>> =>
  given === null
    ? {}
    : {
        PG_OOM_ADJUST_FILE: scoreOf("self"),
        PG_OOM_ADJUST_VALUE: String(lowered ? given : Math.min(HIGHEST, given + RAISE))
      }
