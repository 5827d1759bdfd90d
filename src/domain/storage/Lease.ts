/**
 * When an LSN lease is renewed, and how long a failed try is followed by none. All times in milliseconds.
 *
 * Source: `compute_tools/src/lsn_lease.rs`.
 */

const MARGIN = 60_000
/** A lease that has expired already (a clock ahead of the pageserver's) must not make the loop spin. */
const SHORTEST = 1_000
const LONGEST = 2_147_483_000
const FIRST_RETRY = 500
const RETRY_FACTOR = 1.5
const LONGEST_RETRY = 60_000

/** How long to sleep before the next renewal: a minute before the expiry, or half of what is left if that is later. */
export const renewalPause = (now: number, validUntil: number): number => {
  const remaining = validUntil - now
  return Math.min(LONGEST, Math.max(SHORTEST, remaining - MARGIN, Math.floor(remaining / 2)))
}

/** The pause after the `failures`-th failed try in a row, counted from 0. */
export const retryPause = (failures: number): number =>
  Math.min(LONGEST_RETRY, Math.floor(FIRST_RETRY * RETRY_FACTOR ** failures))

/** A refusal is asked again slowly: the pageserver may have been the wrong one, or be in front of its garbage collection. */
export const REFUSED_PAUSE = LONGEST_RETRY
