/**
 * How much memory Postgres may use before more is asked for, whether less will do, and how large the file cache may be.
 * All sizes are bytes, all times epoch milliseconds.
 *
 * Source: `libs/vm_monitor/src/{runner,filecache,cgroup}.rs`.
 */
export const MIB = 1024 * 1024

/** Kept for the kernel and everything outside the cgroup, out of what the agent grants. */
const SYSTEM_BUFFER = 100 * MIB
/** By how much the average use must stay below the new threshold for a downscale. */
const DOWNSCALE_BUFFER = 100 * MIB
/** A sample older than this says nothing. */
const STALE_MS = 5000
const UPSCALE_PERIOD_MS = 1000
/** Samples in the average. */
const WINDOW = 5

const usable = (granted: number): number => Math.max(0, granted - SYSTEM_BUFFER)

export const threshold = (memory: number): number => Math.floor(0.85 * memory)

/** Whole mebibytes, as Postgres takes the setting. */
export const fileCacheSize = (memory: number): number => {
  const spare = memory - 256 * MIB
  if (spare <= 0) return 0
  return Math.floor(Math.min(Math.floor(spare / 1.1), Math.floor(0.75 * memory)) / MIB) * MIB
}

/** Anonymous memory over the last samples. */
export interface History {
  readonly samples: ReadonlyArray<number>
  readonly lastAt: number
}

export const noHistory: History = { samples: [], lastAt: 0 }

export const addSample = ({ samples }: History, bytes: number, now: number): History => ({
  samples: [...samples.slice(1 - WINDOW), bytes],
  lastAt: now
})

export const average = ({ samples }: History): number =>
  samples.length === 0 ? 0 : Math.floor(samples.reduce((sum, sample) => sum + sample, 0) / samples.length)

/** Whether to ask for more, given when that was last done. */
export const wantsMore = (history: History, limit: number, lastRequest: number, now: number): boolean =>
  history.samples.length > 0 &&
  now - history.lastAt <= STALE_MS &&
  average(history) >= limit &&
  now - lastRequest >= UPSCALE_PERIOD_MS

/** What is managed; null for what is not. */
export interface Managed {
  readonly cgroup: { readonly history: History; readonly threshold: number } | null
  readonly fileCache: boolean
}

export interface Sizes {
  readonly threshold: number
  readonly fileCache: number
}

export const sizesFor = (granted: number): Sizes => ({
  threshold: threshold(usable(granted)),
  fileCache: fileCacheSize(usable(granted))
})

export type Downscale =
  | { readonly _tag: "Unmanaged" }
  /** No answer is possible: the agent is told of an error. */
  | { readonly _tag: "Stale"; readonly ageMs: number }
  | { readonly _tag: "Denied"; readonly status: string }
  | { readonly _tag: "Granted" }

const mib = (bytes: number) => (bytes / MIB).toFixed(1)

/** Denied rather than failed where possible: an error would make the agent connect anew and lose patience again. */
export const decideDownscale = ({ cgroup, fileCache }: Managed, target: number, now: number): Downscale => {
  if (cgroup === null) return fileCache ? { _tag: "Granted" } : { _tag: "Unmanaged" }
  const { history } = cgroup
  const ageMs = now - history.lastAt
  if (history.samples.length > 0 && ageMs > STALE_MS) return { _tag: "Stale", ageMs }
  if (history.samples.length <= 1) {
    return { _tag: "Denied", status: "haven't received enough cgroup memory stats yet" }
  }
  const limit = sizesFor(target).threshold
  const use = average(history)
  if (limit >= use + DOWNSCALE_BUFFER) return { _tag: "Granted" }
  return {
    _tag: "Denied",
    status:
      `calculated memory threshold too low: ${mib(limit)} MiB (new threshold) < ${mib(use)} MiB (current usage) ` +
      `+ ${mib(DOWNSCALE_BUFFER)} MiB (downscale buffer)`
  }
}

export const UNMANAGED = "monitor is not managing cgroup or file cache"

export const fileCacheStatus = (actual: number): string => `set file cache size to ${mib(actual)} MiB`

export const thresholdStatus = (before: number, after: number, granted: number): string =>
  `set cgroup memory threshold from ${mib(before)} MiB to ${mib(after)} MiB, of new total ${mib(granted)} MiB`

/** The anonymous memory in the text of `memory.stat`; null when it is not there. */
export const parseMemoryStat = (text: string): number | null => {
  const value = (name: string) => {
    const found = new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]
    return found === undefined ? null : Number(found)
  }
  const active = value("active_anon")
  const inactive = value("inactive_anon")
  return active === null || inactive === null ? null : active + inactive
}
