/**
 * How long a basebackup is tried for again, by what went wrong. All times in milliseconds.
 *
 * Source: `compute_tools/src/compute.rs` (`get_basebackup`).
 */
import type { Healing } from "./PageserverFault.ts"

/** Further tries after the first, where nothing is known of the reason. */
export const RETRIES = 10
const FIRST_PAUSE = 500
const FACTOR = 1.5
/** A tenant that is attached a few seconds late is seen soon, and one that does not exist not asked for for long. */
const ATTACHING = { longestPause: 3_000, for: 30_000 }

export interface Tried {
  readonly healing: Healing
  /** Tries that have failed, this one included. */
  readonly failures: number
  /** Those of them that last met storage which was not there, one after the other, and since when. */
  readonly inRow: number
  readonly rowMillis: number
}

/** Before the try that follows failure number `failures`, counted from 0: 500, 750, 1125, 1687, ... */
export const pauseAfter = (failures: number): number => Math.floor(FIRST_PAUSE * FACTOR ** failures)

/** The pause before the next try; null when there is none. */
export const nextPause = ({ failures, healing, inRow, rowMillis }: Tried): number | null => {
  if (healing === "never") return null
  if (healing === "passing") return failures > RETRIES ? null : pauseAfter(failures - 1)
  const left = ATTACHING.for - rowMillis
  return left <= 0 ? null : Math.min(pauseAfter(inRow - 1), ATTACHING.longestPause, left)
}
