/**
 * Bytes as a script has them, in place of an answer: what no sound peer would send, or sends without an end.
 */
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Fault from "./Fault.ts"

type Raw = Extract<Fault.Action, { readonly do: "raw" }>

/** Bytes that are written at once, so that a flood of short messages is one. */
const PIECE = 256 * 1024

/** Succeeds when they are written, or, with `repeat`, when the peer has gone. Without `close` the stream stays open. */
export const sendRaw = (stream: Duplex, { bytes, close, repeat }: Raw): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const one = Buffer.from(repeat ?? "", "base64")
    const many = Buffer.concat(Array.from({ length: one.length === 0 ? 0 : Math.ceil(PIECE / one.length) }, () => one))
    let open = true
    const end = () => {
      open = false
      resume(Effect.void)
    }
    const flood = () => {
      if (!open) return
      if (many.length === 0) {
        if (close === true) stream.end()
        return end()
      }
      // A turn for each piece: the other peers live in this process too.
      stream.write(many, () => setImmediate(flood))
    }
    stream.once("close", end)
    stream.on("error", end)
    if (stream.destroyed) return end()
    stream.write(Buffer.from(bytes, "base64"), flood)
    return Effect.sync(() => {
      open = false
    })
  })
