/**
 * Frames that have arrived on a socket and wait to be taken. A reader that lags stops the socket, so that memory stays bounded.
 */
import type * as net from "node:net"
import * as Effect from "effect/Effect"
import { broken, communicationFailed, unexpected, type WireFailed } from "./errors.ts"
import { type Frame, FrameReader, type Longest } from "./Frames.ts"

/** Bytes held before the socket is paused. */
const ENOUGH = 1024 * 1024

/** What a message takes of that; an empty one is an object too. */
export const cost = (frame: Frame): number => frame.body.length + 64

export class Inbox {
  /** Milliseconds a reader waits for bytes before the connection counts as dead; 0 = no limit of its own. */
  stall = 0
  readonly #socket: net.Socket
  readonly #reader: FrameReader
  #frames: Array<Frame> = []
  #bytes = 0
  #ended: WireFailed | null = null
  #wake: (() => void) | null = null

  constructor(socket: net.Socket, longest?: Longest) {
    this.#socket = socket
    this.#reader = new FrameReader(longest)
    socket.on("data", (bytes: Buffer) => this.#receive(bytes))
    socket.on("error", (error) => this.#end(communicationFailed(error)))
    socket.on("close", () => this.#end(broken("connection closed")))
    socket.on("end", () => this.#end(broken("connection closed")))
    socket.on("timeout", () => {
      this.#end(broken(`error communicating with the server: nothing came for ${this.stall} ms`))
      socket.destroy()
    })
  }

  get isOpen(): boolean {
    return this.#ended === null
  }

  #receive(bytes: Buffer) {
    if (this.#ended !== null) return
    const { frames, fault } = this.#reader.push(bytes)
    for (const frame of frames) {
      this.#frames.push(frame)
      this.#bytes += cost(frame)
    }
    if (fault !== null) {
      this.#end(unexpected(fault.message))
      this.#socket.destroy()
    }
    if (this.#bytes > ENOUGH) this.#socket.pause()
    if (frames.length > 0) this.#notify()
  }

  #end(failure: WireFailed) {
    this.#ended ??= failure
    this.#notify()
  }

  #notify() {
    this.#socket.setTimeout(0)
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }

  #ready(): boolean {
    return this.#frames.length > 0 || this.#ended !== null
  }

  /** What has arrived is given out before the failure that ended the connection. */
  readonly #arrived: Effect.Effect<void, WireFailed> = Effect.suspend(() => {
    if (this.#frames.length > 0) return Effect.void
    if (this.#ended !== null) return Effect.fail(this.#ended)
    return Effect.callback<void>((resume) => {
      this.#wake = () => resume(Effect.void)
      this.#socket.setTimeout(this.stall)
      this.#socket.resume()
      if (this.#ready()) this.#notify()
      return Effect.sync(() => {
        this.#wake = null
        this.#socket.setTimeout(0)
      })
    }).pipe(Effect.andThen(this.#arrived))
  })

  /** The next frame. */
  readonly take: Effect.Effect<Frame, WireFailed> = Effect.suspend(() =>
    Effect.flatMap(this.#arrived, () => {
      const frame = this.#frames.shift()
      if (frame === undefined) return this.take
      this.#bytes -= cost(frame)
      return Effect.succeed(frame)
    })
  )

  /** All frames at hand, at least one. */
  readonly takeAll: Effect.Effect<ReadonlyArray<Frame>, WireFailed> = Effect.suspend(() =>
    Effect.map(this.#arrived, () => {
      const frames = this.#frames
      this.#frames = []
      this.#bytes = 0
      return frames
    })
  )
}
