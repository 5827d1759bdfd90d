/**
 * Lines on their way into a descriptor. Whoever writes one never waits: lines queue up to a limit, what comes after that is
 * dropped and counted until half of the queue has gone, and a line in its place then says how many were. So does one behind
 * what a full disk did not take.
 */
import { write, writeSync } from "node:fs"
import { codeOf } from "../../../domain/observe/ErrorChain.ts"

/** Characters that wait for a reader that stalls; what is more is dropped. */
const MOST_PENDING = 4 * 1024 * 1024
/** Characters of one write. More would keep the others waiting that use the thread pool, and buys nothing. */
const BATCH = 64 * 1024
/** Milliseconds until a full pipe is tried again: the first time, and at most. */
const FIRST_PAUSE = 1
const LONGEST_PAUSE = 20

export interface Outlet {
  /** False when it was dropped. Lines are written after this returns. */
  readonly write: (line: string) => boolean
  /** Lines that never got out, so far. */
  readonly lost: () => number
  /** Waits until all is written or can never be; at most so many milliseconds. */
  readonly drain: (limit: number) => Promise<void>
  /** A write is under way that has not come back: closing its descriptor, or ending the thread it is in, would wait for it. */
  readonly isBusy: () => boolean
}

export interface OutletOptions {
  /**
   * Nonblocking: a descriptor that answers EAGAIN when its reader is behind. Blocking: any other; it is written to on a
   * thread of the pool, one write at a time, since the call may never return.
   */
  readonly kind: "nonblocking" | "blocking"
  /** The line that stands for so many dropped ones. */
  readonly notice: (lines: number) => string
}

const countLines = (bytes: Uint8Array): number => {
  let lines = 0
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) lines += 1
  return lines
}

export const openOutlet = (descriptor: number, { kind, notice }: OutletOptions): Outlet => {
  /** Full batches, then the one that grows. */
  const batches: Array<string> = []
  let growing = ""
  let pending = 0
  /** What is being written. */
  let rest: Buffer = Buffer.alloc(0)
  let isWriting = false
  let isFull = false
  let scheduled: NodeJS.Immediate | undefined
  let retry: NodeJS.Timeout | undefined
  let pause = FIRST_PAUSE
  let lost = 0
  let unreported = 0
  /** What a notice says that is not out yet, and the lines that it takes: it may be lost as well. */
  let reporting = 0
  let noticeLines = 0
  /** The last that got out is a part of a line. */
  let isTorn = false
  const waiting = new Set<() => void>()

  const isEmpty = () => rest.length === 0 && pending === 0

  const append = (text: string) => {
    growing += text
    pending += text.length
    if (growing.length < BATCH) return
    batches.push(growing)
    growing = ""
  }

  const reportLoss = (before = "") => {
    isFull = false
    if (unreported === 0) return
    const text = `${before}${notice(unreported)}\n`
    append(text)
    reporting += unreported
    noticeLines += countLines(Buffer.from(text))
    unreported = 0
  }

  /** The next bytes to write; false when there are none. */
  const take = (): boolean => {
    if (rest.length > 0) return true
    let batch = batches.shift()
    if (batch === undefined) {
      batch = growing
      growing = ""
    }
    pending -= batch.length
    rest = Buffer.from(batch)
    if (isFull && pending <= MOST_PENDING / 2) reportLoss()
    return rest.length > 0
  }

  const wrote = (bytes: number) => {
    pause = FIRST_PAUSE
    if (bytes > 0) isTorn = rest[bytes - 1] !== 10
    rest = rest.subarray(bytes)
    if (!isEmpty()) return
    reporting = 0
    noticeLines = 0
  }

  /** What waits would wait for ever: nobody reads any more, or there is no room, which may come back. */
  const giveUp = () => {
    let lines = 0
    while (take()) {
      lines += countLines(rest)
      rest = Buffer.alloc(0)
    }
    lines -= noticeLines
    lost += lines
    unreported += lines + reporting
    reporting = 0
    noticeLines = 0
  }

  const settle = () => {
    if (!isEmpty()) return
    for (const resume of waiting) resume()
    waiting.clear()
  }

  const later = () => {
    retry = setTimeout(flush, pause)
    pause = Math.min(pause * 2, LONGEST_PAUSE)
  }

  const failed = (error: unknown) => {
    if (codeOf(error) === "EAGAIN") later()
    else giveUp()
  }

  const flushNow = () => {
    try {
      while (take()) wrote(writeSync(descriptor, rest))
    } catch (error) {
      failed(error)
    }
    settle()
  }

  const flushOnThread = () => {
    if (!take()) return settle()
    isWriting = true
    write(descriptor, rest, (error, bytes) => {
      isWriting = false
      if (error === null) {
        wrote(bytes)
        return flushOnThread()
      }
      failed(error)
      settle()
    })
  }

  const flush = () => {
    clearImmediate(scheduled)
    clearTimeout(retry)
    scheduled = undefined
    retry = undefined
    if (kind === "nonblocking") flushNow()
    else if (!isWriting) flushOnThread()
  }

  return {
    write: (line) => {
      if (isFull || pending + line.length >= MOST_PENDING) {
        isFull = true
        lost += 1
        unreported += 1
        return false
      }
      // Nothing waits behind what was given up.
      reportLoss(isTorn ? "\n" : "")
      append(`${line}\n`)
      // All lines of one turn of the event loop go in one write: a busy API logs two for each request.
      if (retry === undefined && !isWriting) {
        if (batches.length > 0) flush()
        else scheduled ??= setImmediate(flush)
      }
      return true
    },
    lost: () => lost,
    drain: (limit) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, limit)
        waiting.add(() => {
          clearTimeout(timer)
          resolve()
        })
        flush()
      }),
    isBusy: () => isWriting
  }
}
