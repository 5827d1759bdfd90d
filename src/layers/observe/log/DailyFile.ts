/**
 * Log files of one day each, named by the UTC date and appended to, so that a crash loop loses nothing. The newest two stay:
 * whoever uploads them has at least a day.
 *
 * Source: `compute_tools/src/logger.rs`.
 */
import { closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { type Outlet, type OutletOptions, openOutlet } from "./Outlet.ts"

const KEPT = 2
/** Milliseconds for the end of a file that is left. */
const LAST_WRITES = 1000
/** A link is not followed, and a pipe that waits in the file's place for its reader is not waited for. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK

export interface DailyFile {
  /** A line of this moment, epoch milliseconds. False when it was dropped. */
  readonly write: (line: string, millis: number) => boolean
  /** Lines that never got into a file, so far. */
  readonly lost: () => number
  readonly close: () => Promise<void>
}

interface Day {
  readonly name: string
  readonly descriptor: number
  readonly outlet: Outlet
}

const openRegular = (file: string): number => {
  const descriptor = openSync(file, FLAGS, 0o666)
  if (fstatSync(descriptor).isFile()) return descriptor
  closeSync(descriptor)
  throw new Error(`${file} is not a regular file`)
}

const closeDay = async ({ descriptor, outlet }: Day): Promise<void> => {
  await outlet.drain(LAST_WRITES)
  if (!outlet.isBusy()) closeSync(descriptor)
}

export const openDailyFile = (directory: string, prefix: string, notice: OutletOptions["notice"]): DailyFile => {
  let day: Day | null = null
  let lost = 0

  const close = async () => {
    if (day === null) return
    const left = day
    day = null
    await closeDay(left)
    lost += left.outlet.lost()
  }

  const prune = () => {
    const name = new RegExp(`^${prefix}\\.\\d{4}-\\d{2}-\\d{2}$`)
    const old = readdirSync(directory)
      .filter((file) => name.test(file))
      .sort()
      .slice(0, -KEPT)
    for (const file of old) rmSync(join(directory, file), { force: true })
  }

  const outletFor = (millis: number): Outlet => {
    const name = new Date(millis).toISOString().slice(0, 10)
    if (day?.name === name) return day.outlet
    void close()
    mkdirSync(directory, { recursive: true })
    const descriptor = openRegular(join(directory, `${prefix}.${name}`))
    day = { name, descriptor, outlet: openOutlet(descriptor, { kind: "blocking", notice }) }
    prune()
    return day.outlet
  }

  return {
    close,
    lost: () => lost + (day?.outlet.lost() ?? 0),
    write: (line, millis) => {
      try {
        return outletFor(millis).write(line)
      } catch {
        lost += 1
        return false
      }
    }
  }
}
