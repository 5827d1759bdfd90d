/**
 * How long sessions of ours may wait for what others hold, and for an answer, by what they are for. A tenant who takes every
 * lock must not have our sessions collect behind him.
 */
export type Purpose =
  /** Makes the catalog match the spec: it waits for its turn, and its statements take what they take. */
  | "apply"
  /** Changes that a request or the start of a new image asks for. */
  | "change"
  /** Moves data, in the background. */
  | "transfer"
  /** Somebody waits for the answer. */
  | "question"
  /** Asked again and again by a machine. */
  | "probe"

interface Limits {
  /** Milliseconds; 0 is none. */
  readonly lock: number
  readonly statement: number
}

const SECOND = 1000
const MINUTE = 60 * SECOND

export const limits: Readonly<Record<Purpose, Limits>> = {
  apply: { lock: MINUTE, statement: 0 },
  change: { lock: 20 * SECOND, statement: 30 * MINUTE },
  transfer: { lock: 20 * SECOND, statement: 120 * MINUTE },
  question: { lock: 5 * SECOND, statement: 30 * SECOND },
  probe: { lock: 2 * SECOND, statement: 4 * SECOND }
}

/** As start-up options. */
export const limitOptions = (purpose: Purpose): string =>
  `-c lock_timeout=${limits[purpose].lock} -c statement_timeout=${limits[purpose].statement}`
