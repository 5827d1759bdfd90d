/**
 * Lines between a child's pipe and whoever reads them here. The pipe is always drained: a reader that lags loses the oldest
 * lines, and a child never waits for us.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const MOST_LINES = 65_536
/** Characters. */
const MOST_TEXT = 8 * 1024 * 1024

export interface Backlog {
  readonly offer: (line: string) => void
  readonly end: () => void
  /** For one reader. Ends after the last line. */
  readonly lines: Stream.Stream<string>
}

export const makeBacklog = (): Backlog => {
  let kept: Array<string> = []
  /** Those before it were dropped. */
  let first = 0
  let size = 0
  let ended = false
  let wake: (() => void) | undefined

  const dropOldest = () => {
    size -= kept[first]?.length ?? 0
    first += 1
    // What is dropped is let go of, without moving the rest for each line.
    if (first < MOST_LINES) return
    kept = kept.slice(first)
    first = 0
  }

  const next: Effect.Effect<ReadonlyArray<string>, Cause.Done> = Effect.suspend(() => {
    if (kept.length > first) {
      const all = kept.slice(first)
      kept = []
      first = 0
      size = 0
      return Effect.succeed(all)
    }
    if (ended) return Cause.done()
    return Effect.callback((resume) => {
      wake = () => resume(next)
      return Effect.sync(() => {
        wake = undefined
      })
    })
  })

  /** Once for all lines of a piece that came from the pipe: a reader that is woken by each costs thirty times as much. */
  const resumeReader = () => {
    const resume = wake
    wake = undefined
    if (resume !== undefined) queueMicrotask(resume)
  }

  return {
    offer: (line) => {
      kept.push(line)
      size += line.length
      while (kept.length - first > MOST_LINES || (size > MOST_TEXT && kept.length - first > 1)) dropOldest()
      resumeReader()
    },
    end: () => {
      ended = true
      resumeReader()
    },
    lines: Stream.fromIterableEffectRepeat(next)
  }
}
