/**
 * Log files of one day each, named by the UTC date and appended to, so that a crash loop loses nothing. The newest two stay:
 * whoever uploads them has at least a day.
 *
 * Source: `compute_tools/src/logger.rs`.
 */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"

const KEPT = 2

export interface DailyFile {
  /** Writes a line at a time, epoch milliseconds. False when it could not be written. */
  readonly write: (line: string, millis: number) => boolean
  readonly close: () => void
}

export const openDailyFile = (directory: string, prefix: string): DailyFile => {
  let day = ""
  let descriptor: number | null = null

  const close = () => {
    if (descriptor !== null) closeSync(descriptor)
    descriptor = null
    day = ""
  }

  const prune = () => {
    const name = new RegExp(`^${prefix}\\.\\d{4}-\\d{2}-\\d{2}$`)
    const old = readdirSync(directory)
      .filter((file) => name.test(file))
      .sort()
      .slice(0, -KEPT)
    for (const file of old) rmSync(join(directory, file), { force: true })
  }

  const descriptorFor = (millis: number): number => {
    const today = new Date(millis).toISOString().slice(0, 10)
    if (descriptor !== null && today === day) return descriptor
    close()
    mkdirSync(directory, { recursive: true })
    descriptor = openSync(join(directory, `${prefix}.${today}`), "a")
    day = today
    prune()
    return descriptor
  }

  return {
    close,
    write: (line, millis) => {
      try {
        writeSync(descriptorFor(millis), `${line}\n`)
        return true
      } catch {
        return false
      }
    }
  }
}
