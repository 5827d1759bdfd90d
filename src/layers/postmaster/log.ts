/**
 * Re-emission of Postgres' log: a message ends when the next one begins, after a silence, or with the stream.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { beginsMessage, renderMessage } from "../../domain/PostgresLog.ts"

/** Milliseconds. */
const SILENCE = 100
/** A message of more lines is given out in parts. */
const MOST_LINES = 10_000

/**
 * Writes each message as a line of its own, not through the logger: the text is Postgres' and is parsed downstream.
 * Ends with the stream, having written everything.
 */
export const reEmit = (lines: Stream.Stream<string>, write: (line: string) => unknown): Effect.Effect<void> =>
  Effect.suspend(() => {
    let message: Array<string> = []
    let timer: NodeJS.Timeout | undefined
    const flush = () => {
      clearTimeout(timer)
      if (message.length > 0) write(renderMessage(message))
      message = []
    }
    const take = (line: string) => {
      if (message.length >= MOST_LINES || beginsMessage(line)) flush()
      message.push(line)
    }
    return Stream.runForEachChunk(lines, (chunk) =>
      Effect.sync(() => {
        for (const line of chunk) take(line)
        clearTimeout(timer)
        timer = setTimeout(flush, SILENCE)
      })
    ).pipe(Effect.ensuring(Effect.sync(flush)))
  })
