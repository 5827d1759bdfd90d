/**
 * Bodies on their way into memory: each has its limit, and all together have one.
 *
 * A body that would exceed what all may have waits, its connection unread. None is refused for that, however many come at
 * once; only while others wait does a body have to come at some speed.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { giveBack } from "../../../layers/http/connections/memory.ts"
import { Rejection } from "./Rejection.ts"

/** In the order of its bytes. They are there until the body has been used. */
export type Body = ReadonlyArray<Uint8Array>

export interface Bodies {
  /** Reads the whole body and gives it to `use`; refused with 413 beyond `limit` bytes and with 400 when the transfer breaks off. */
  readonly read: <A, E>(
    message: IncomingMessage,
    answer: ServerResponse,
    limit: number,
    use: (body: Body) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | Rejection>
}

/** Bytes of all bodies that are not decoded yet; one at a time may exceed them. */
const TOTAL = 4 * 1024 * 1024
/** A body of so much never waits. Of larger ones one at a time is decoded: what comes of it is many times larger. */
const SMALL = 64 * 1024
/** While others wait, a body has to bring `SMALL` bytes in this time. */
const TICK_MS = 1000

const unbuffered = (status: number, reason: string) =>
  new Rejection({ status, text: `Failed to buffer the request body: ${reason}` })
const tooLarge = unbuffered(413, "length limit exceeded")
const broken = unbuffered(400, "error reading a body from connection")
const tooSlow = unbuffered(408, "timed out while others waited")

/** Pieces in few buffers: a client may send one byte at a time, and a buffer costs a hundred. */
const collector = () => {
  const FULL = 64 * 1024
  const whole: Array<Buffer> = []
  let open: Buffer = Buffer.alloc(0)
  let used = 0
  const flush = () => {
    if (used > 0) whole.push(open.subarray(0, used))
    open = Buffer.alloc(0)
    used = 0
  }
  return {
    add: (piece: Buffer) => {
      if (piece.length > FULL / 8) {
        flush()
        whole.push(piece)
        return
      }
      if (used + piece.length > open.length) {
        flush()
        open = Buffer.allocUnsafeSlow(whole.length === 0 ? FULL / 8 : FULL)
      }
      used += piece.copy(open, used)
    },
    all: (): Body => {
      flush()
      return whole
    },
    drop: () => {
      for (const piece of whole.splice(0)) giveBack(piece)
      open = Buffer.alloc(0)
      used = 0
    }
  }
}

interface Reading {
  readonly message: IncomingMessage
  readonly giveUp: () => void
  /** Lets go of what has come. */
  readonly drop: () => void
  size: number
  /** Bytes since the last look; infinite when it has been waiting since then. */
  recent: number
  /** `whole`: it is being decoded, or waits for that. */
  state: "coming" | "waiting" | "whole"
}

const expectsContinue = ({ headers, httpVersion }: IncomingMessage): boolean =>
  httpVersion === "1.1" && headers.expect !== undefined && /(?:^|\W)100-continue(?:$|\W)/i.test(headers.expect)

const ignore = () => {}

export const make = (): Bodies => {
  /** In order of arrival; a body leaves when it has been used. */
  const readings = new Set<Reading>()
  const oneAtATime = Semaphore.makeUnsafe(1)
  let total = 0
  let ticking = false

  /** The one body that may exceed the total. */
  let privileged: Reading | null = null

  const mayGrow = (reading: Reading): boolean => {
    if (reading.size <= SMALL || total <= TOTAL) return true
    privileged ??= reading
    return privileged === reading
  }

  const tick = () => {
    ticking = false
    const all = [...readings]
    if (all.every(({ state }) => state !== "waiting")) return
    watch()
    for (const reading of all) {
      const slow = reading.recent < SMALL
      reading.recent = 0
      if (slow && reading.state === "coming" && reading.size > SMALL) reading.giveUp()
    }
  }

  const watch = () => {
    if (ticking) return
    ticking = true
    setTimeout(tick, TICK_MS).unref()
  }

  const grow = (reading: Reading, bytes: number) => {
    reading.size += bytes
    reading.recent += bytes
    total += bytes
    if (mayGrow(reading)) return
    reading.state = "waiting"
    reading.message.pause()
    watch()
  }

  const release = (reading: Reading | null) => {
    if (reading === null || !readings.delete(reading)) return
    reading.drop()
    total -= reading.size
    if (privileged === reading) privileged = null
    // The newest first: those before it may be there only to be waited for.
    for (const other of [...readings].reverse()) {
      if (other.state !== "waiting" || !mayGrow(other)) continue
      other.state = "coming"
      other.recent = Number.POSITIVE_INFINITY
      other.message.resume()
    }
  }

  const isLarge = (reading: Reading | null) => reading !== null && reading.size > SMALL

  /** Calls `settle` once; what is returned ends it before. */
  const receive = (message: IncomingMessage, limit: number, settle: (result: Body | Rejection) => void) => {
    const collected = collector()
    const reading: Reading = {
      message,
      giveUp: () => end(tooSlow),
      drop: collected.drop,
      size: 0,
      recent: 0,
      state: "coming"
    }
    const onData = (piece: Buffer) => {
      if (reading.size + piece.length > limit) return end(tooLarge)
      collected.add(piece)
      grow(reading, piece.length)
    }
    const onEnd = () => {
      reading.state = "whole"
      end(collected.all())
    }
    const onBroken = () => end(broken)
    const stop = () => {
      message.off("data", onData).off("end", onEnd).off("close", onBroken).off("error", onBroken)
      message.on("error", ignore)
      message.pause()
    }
    const end = (result: Body | Rejection) => {
      stop()
      settle(result)
    }
    readings.add(reading)
    message.on("data", onData).on("end", onEnd).on("close", onBroken).on("error", onBroken)
    return { reading, stop }
  }

  const read = <A, E>(
    message: IncomingMessage,
    answer: ServerResponse,
    limit: number,
    use: (body: Body) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | Rejection> => {
    if (Number(message.headers["content-length"] ?? 0) > limit) return tooLarge
    return Effect.suspend(() => {
      let begun: Reading | null = null
      return Effect.callback<Body, Rejection>((resume) => {
        const { reading, stop } = receive(message, limit, (result) =>
          resume(result instanceof Rejection ? result : Effect.succeed(result))
        )
        begun = reading
        if (expectsContinue(message)) answer.writeContinue()
        return Effect.sync(stop)
      }).pipe(
        Effect.flatMap((body) => (isLarge(begun) ? oneAtATime.withPermits(1)(use(body)) : use(body))),
        Effect.ensuring(Effect.sync(() => release(begun)))
      )
    })
  }

  return { read }
}
