/**
 * Whole lines to stderr, in order, or to another descriptor that was inherited. A reader that stalls costs lines, and never
 * time.
 *
 * The descriptor itself stays as it was inherited: its description is shared with whoever started us, and O_NONBLOCK on it
 * would make their writes fail.
 */
import { constants, fstatSync, openSync } from "node:fs"
import { type Outlet, type OutletOptions, openOutlet } from "./Outlet.ts"

const STDERR = 2

/** A description of our own of the same pipe or terminal; null where there can be none (a socket, or a pipe of another account's). */
const reopened = (descriptor: number): number | null => {
  try {
    const stats = fstatSync(descriptor)
    if (!stats.isFIFO() && !stats.isCharacterDevice()) return null
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return null
  }
}

let notice: OutletOptions["notice"] = (lines) => `${lines} log lines were dropped`
let outlet: Outlet | undefined

/** A way into an inherited descriptor that leaves it as it is. */
export const openInherited = (descriptor: number): Outlet => {
  const own = reopened(descriptor)
  return openOutlet(own ?? descriptor, {
    kind: own === null ? "blocking" : "nonblocking",
    notice: (lines) => notice(lines)
  })
}

/** How the line is written that stands for lost ones. */
export const describeLoss = (form: OutletOptions["notice"]): void => {
  notice = form
}

/** False when the line was dropped. Lines are written after this returns; `drained` waits for them. */
export const writeLine = (line: string): boolean => {
  outlet ??= openInherited(STDERR)
  return outlet.write(line)
}

export const lostLines = (): number => outlet?.lost() ?? 0

/** What was written has got out, or has had so many milliseconds. False when a write is still under way. */
export const drained = async (limit: number): Promise<boolean> => {
  await outlet?.drain(limit)
  return outlet?.isBusy() !== true
}
