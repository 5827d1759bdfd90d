/**
 * Turns of the event loop, shared out: what comes in is worked off for a few milliseconds in each, and the rest waits for
 * the next. Without that a thousand clients whose requests arrive at once are all answered before the next one is accepted.
 */
export interface Turns {
  /** Whether there is time left in this turn, and nobody waits for it. */
  readonly hasTime: () => boolean
  /**
   * A connection has been accepted. There may be more, and the system gives one a turn: turns are short while they come, so
   * that whoever asks little does not wait for all that those before him brought.
   */
  readonly accepted: () => void
  /** Runs in a later turn. `patient` work waits until there is none other. */
  readonly later: (work: () => void, patient: boolean) => void
}

/** Milliseconds of a turn for requests; a probe waits for two of them at most. */
const SLICE_MS = 4
/** Of the turns in which connections come, one in so many has time for what waits: a third of all time, at least. */
const WORKING = 64
/** In one turn; each runs by itself, so that what an answer leaves to do is done before the next request. */
const BATCH = 32
/** What has been taken out of a queue is cut off when it is this much. */
const KEPT = 1024

/** First in, first out. */
const fifo = () => {
  let items: Array<() => void> = []
  let next = 0
  return {
    size: () => items.length - next,
    put: (work: () => void) => {
      items.push(work)
    },
    take: (): (() => void) | undefined => {
      const work = items[next]
      if (work === undefined) return undefined
      next++
      if (next === items.length || next > KEPT) {
        items = items.slice(next)
        next = 0
      }
      return work
    }
  }
}

export const make = (): Turns => {
  const prompt = fifo()
  const patient = fifo()
  let began = 0
  /** Steps of this turn that are still to come; without any, no turn has begun. */
  let steps = 0
  /** The first of them works even when the turn has been long already. */
  let first = true
  /** Turns in a row in which a connection came, and whether one has come since the last began. */
  let accepting = 0
  let hasAccepted = false

  const begin = () => {
    accepting = hasAccepted ? accepting + 1 : 0
    hasAccepted = false
    steps = Math.max(1, Math.min(BATCH, prompt.size() + patient.size()))
    for (let step = 0; step < steps; step++) setImmediate(run)
    began = performance.now()
    first = true
  }

  const isShort = () => accepting % WORKING !== 0
  const inTime = () => !isShort() && performance.now() - began < SLICE_MS

  const run = () => {
    steps--
    if ((first && !isShort()) || inTime()) {
      const work = prompt.take() ?? patient.take()
      first = false
      work?.()
    }
    if (steps === 0 && prompt.size() + patient.size() > 0) begin()
  }

  return {
    accepted: () => {
      hasAccepted = true
    },
    hasTime: () => {
      if (steps === 0) begin()
      return prompt.size() === 0 && inTime()
    },
    later: (work, isPatient) => {
      if (isPatient) patient.put(work)
      else prompt.put(work)
      if (steps === 0) begin()
    }
  }
}
