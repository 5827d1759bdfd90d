/**
 * Re-emission of Postgres' log: a message ends when the next one begins, after a silence, or with the stream. Of a long one
 * the beginning is kept: a user's statement may write one that is larger than the machine's memory.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { beginsMessage, LONGEST_MESSAGE, renderMessage } from "../../domain/postgres/PostgresLog.ts"

/** Milliseconds. */
const SILENCE = 100
/** Milliseconds after which what does not end is given out as it is: programs that Postgres runs write without any times. */
const LONGEST_WAIT = 1000

/**
 * Writes each message as a line of its own, not through the logger: the text is Postgres' and is parsed downstream.
 * Ends with the stream, having written everything.
 */
export const reEmit = (lines: Stream.Stream<string>, write: (line: string) => unknown): Effect.Effect<void> =>
  Effect.suspend(() => {
    let message: Array<string> = []
    let length = 0
    let more = 0
    let began = 0
    let timer: NodeJS.Timeout | undefined
    const flush = () => {
      clearTimeout(timer)
      if (message.length > 0) write(renderMessage(message, more))
      message = []
      length = 0
      more = 0
    }
    const take = (line: string, now: number) => {
      if (beginsMessage(line) || now - began > LONGEST_WAIT) flush()
      if (message.length === 0) began = now
      if (length < LONGEST_MESSAGE) {
        message.push(line)
        length += line.length + 1
      } else {
        more += line.length + 1
      }
    }
    return Stream.runForEachArray(lines, (chunk) =>
      Effect.sync(() => {
        const now = performance.now()
        for (const line of chunk) take(line, now)
        clearTimeout(timer)
        timer = setTimeout(flush, SILENCE)
      })
    ).pipe(Effect.ensuring(Effect.sync(flush)))
  })
