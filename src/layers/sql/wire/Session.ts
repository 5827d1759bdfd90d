/**
 * A session with storage or a pooler's console: short answers of text, and COPY OUT, each within limits.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { isAside, nextFrame, PATIENCE, pointless, refused } from "./authenticate.ts"
import { type Connection, connect, type Target } from "./Connection.ts"
import { unexpected, type WireFailed } from "./errors.ts"
import * as Frames from "./Frames.ts"
import { cost, type Inbox } from "./Inbox.ts"

export type Row = ReadonlyArray<string | null>

/** How a command is sent: in one message, or parsed, bound and executed. Servers may give other errors. Default: simple. */
export type Protocol = "simple" | "extended"

export interface Session {
  /** What opening took, authentication included. */
  readonly connectMicros: number
  /** False once the peer has gone. */
  readonly isOpen: Effect.Effect<boolean>
  /** The rows of a simple query. `stall`: milliseconds without a byte after which the connection counts as dead. */
  readonly query: (text: string, stall: number) => Effect.Effect<ReadonlyArray<Row>, WireFailed>
  /** The bytes of a COPY OUT, pulled as they are consumed; it ends where the command is complete, not where the copy is. */
  readonly copyOut: (
    text: string,
    stall: number,
    protocol?: Protocol
  ) => Effect.Effect<Stream.Stream<Uint8Array, WireFailed>, WireFailed>
}

/** Of the rows of one answer: those asked for have one, of a few numbers. */
const LARGEST_ANSWER = 1024 * 1024

/** The answers of one command; that it was parsed and bound, and a ReadyForQuery left over from the one before, is passed by. */
const answer = (inbox: Inbox): Effect.Effect<Frames.Frame, WireFailed> => nextFrame(inbox, "Z12")

const rowsOf = (inbox: Inbox): Effect.Effect<ReadonlyArray<Row>, WireFailed> =>
  Effect.gen(function* () {
    const rows: Array<Row> = []
    let size = 0
    for (;;) {
      const frame = yield* answer(inbox)
      size += cost(frame)
      if (size > LARGEST_ANSWER) return yield* unexpected(`the answer has more than ${LARGEST_ANSWER} bytes`)
      if (frame.type === "C" || frame.type === "I") return rows
      if (frame.type === "D") {
        const row = Frames.dataRow(frame.body)
        if (row === undefined) return yield* unexpected("invalid data row")
        rows.push(row)
      } else if (frame.type !== "T") {
        return yield* refused(frame)
      }
    }
  })

/** Every data message at hand, or the end. */
const copyData = (inbox: Inbox): Effect.Effect<ReadonlyArray<Uint8Array>, WireFailed | Cause.Done> => {
  let done = false
  let idle = 0
  const step: Effect.Effect<ReadonlyArray<Uint8Array>, WireFailed> = Effect.gen(function* () {
    const data: Array<Uint8Array> = []
    for (const frame of yield* inbox.takeAll) {
      if (frame.type === "d" && frame.body.length > 0) {
        idle = 0
        data.push(frame.body)
        continue
      }
      idle += cost(frame)
      if (idle > PATIENCE) return yield* pointless()
      if (frame.type === "d") continue
      if (frame.type === "C") done = true
      else if (frame.type !== "c" && frame.type !== "Z" && !isAside(frame)) {
        return yield* refused(frame)
      }
    }
    return data
  })
  return Effect.suspend((): ReturnType<typeof copyData> => (done ? Cause.done() : step))
}

const over = ({ connectMicros, inbox, socket }: Connection): Session => {
  const begin = (text: string, stall: number, protocol: Protocol) =>
    Effect.sync(() => {
      inbox.stall = stall
      socket.write(protocol === "simple" ? Frames.query(text) : Frames.execution(text))
    })
  return {
    connectMicros,
    isOpen: Effect.sync(() => inbox.isOpen),
    query: (text, stall) => Effect.andThen(begin(text, stall, "simple"), rowsOf(inbox)),
    copyOut: (text, stall, protocol = "simple") =>
      Effect.gen(function* () {
        yield* begin(text, stall, protocol)
        const first = yield* answer(inbox)
        if (first.type !== "H") return yield* refused(first)
        return Stream.fromIterableEffectRepeat(copyData(inbox))
      })
  }
}

/** Opens a session at the first address that answers. */
export const open = (target: Target): Effect.Effect<Session, WireFailed, Scope.Scope> =>
  Effect.map(connect(target), over)
