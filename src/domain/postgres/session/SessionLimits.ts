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
  /**
   * For the session to come about. A backend reads its first pages from the pageserver, and what a start or a `/configure`
   * has to do it has to do however slow that is.
   */
  readonly connect: number
}

const SECOND = 1000
const MINUTE = 60 * SECOND

export const limits: Readonly<Record<Purpose, Limits>> = {
  apply: { lock: MINUTE, statement: 0, connect: 10 * MINUTE },
  change: { lock: 20 * SECOND, statement: 30 * MINUTE, connect: 5 * MINUTE },
  transfer: { lock: 20 * SECOND, statement: 120 * MINUTE, connect: 5 * MINUTE },
  question: { lock: 5 * SECOND, statement: 30 * SECOND, connect: 10 * SECOND },
  probe: { lock: 2 * SECOND, statement: 4 * SECOND, connect: 10 * SECOND }
}

/** As start-up options. */
export const limitOptions = (purpose: Purpose): string =>
  `-c lock_timeout=${limits[purpose].lock} -c statement_timeout=${limits[purpose].statement}`
