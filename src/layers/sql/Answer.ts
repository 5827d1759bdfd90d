/**
 * What the server says to one message of ours, be it one statement or several.
 */
import * as Effect from "effect/Effect"
import { rowOf, type Value } from "./values.ts"
import { refused } from "./wire/authenticate.ts"
import { serverError, unexpected, type WireFailed } from "./wire/errors.ts"
import * as Frames from "./wire/Frames.ts"
import type { Inbox } from "./wire/Inbox.ts"

/** Notices, the ends of statements, and what is said to the parts of a statement with parameters tell nothing new. */
const PASSED_BY = "SNKACIs123ntHdc"

export class Answer {
  /** Of the last statement that has any. */
  rows: Array<Record<string, Value>> = []
  /** The server's error. */
  failure: WireFailed | null = null
  /** The next message may be sent. */
  isWhole = false
  #columns: ReadonlyArray<Frames.Column> = []

  /** Gives back what does not belong into an answer. */
  take(frame: Frames.Frame): WireFailed | null {
    const { body, type } = frame
    if (type === "T") {
      const columns = Frames.rowDescription(body)
      if (columns === undefined) return unexpected("invalid description of rows")
      this.#columns = columns
      this.rows = []
    } else if (type === "D") {
      const row = rowOf(this.#columns, Frames.dataRow(body))
      if (row === undefined) return unexpected("invalid data row")
      this.rows.push(row)
    } else if (type === "E") {
      this.failure ??= serverError(Frames.errorFields(body))
    } else if (type === "Z") {
      this.isWhole = true
    } else if (!PASSED_BY.includes(type)) {
      return refused(frame)
    }
    return null
  }
}

/** Up to the end of the answer, or of the connection. An error of the server's tells more than that the connection broke. */
export const received = (inbox: Inbox, answer: Answer): Effect.Effect<void, WireFailed> =>
  Effect.suspend(() => {
    if (answer.isWhole) return answer.failure ?? Effect.void
    return inbox.takeAll.pipe(
      Effect.mapError((broken) => answer.failure ?? broken),
      Effect.flatMap((frames) => {
        for (const frame of frames) {
          const fault = answer.take(frame)
          if (fault !== null) return fault
        }
        return received(inbox, answer)
      })
    )
  })
