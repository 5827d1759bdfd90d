/**
 * What a process has used and holds, as the kernel counts it. Not a number where there is no `/proc`.
 */
import * as fs from "node:fs"

/** Milliseconds of processor time. */
export interface Used {
  readonly main: number
  readonly all: number
}

const read = (file: string): string => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

const taskMillis = (pid: number, task: string): number =>
  Number(/^\d+/.exec(read(`/proc/${pid}/task/${task}/schedstat`))?.[0] ?? Number.NaN) / 1e6

/** Since its start: of the main thread, and of all threads that there are. */
export const used = (pid: number): Used => {
  const folder = `/proc/${pid}/task`
  const tasks = fs.existsSync(folder) ? fs.readdirSync(folder) : []
  const all = tasks.map((task) => taskMillis(pid, task)).filter((one) => !Number.isNaN(one))
  return { main: taskMillis(pid, String(pid)), all: all.reduce((sum, one) => sum + one, 0) }
}

/** Megabytes: what is resident, its share of what several processes have, and what is of no file. */
export interface Held {
  readonly resident: number
  readonly share: number
  readonly anonymous: number
}

export const held = (pid: number): Held => {
  const text = read(`/proc/${pid}/smaps_rollup`)
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN) / 1024
  return { resident: field("Rss"), share: field("Pss"), anonymous: field("Anonymous") }
}
