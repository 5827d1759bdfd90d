/**
 * How the bytes of one answer go out, faults applied: which bytes, at what rate, and what comes in place of the end.
 */
import * as Effect from "effect/Effect"
import * as Fault from "../Fault.ts"

export interface Delivery {
  readonly bytes: Buffer
  /** No limit when absent. */
  readonly bytesPerSecond: number | undefined
  readonly ending:
    | { readonly _tag: "Complete" }
    | { readonly _tag: "Cut" }
    | { readonly _tag: "Silence" }
    | { readonly _tag: "Error"; readonly code: string; readonly message: string }
}

/** Faults that strike in the middle. Those that strike before the answer begins (`error` without `after`) are not for here. */
export const plan = (bytes: Buffer, actions: ReadonlyArray<Fault.Action>): Delivery => {
  const corrupt = Fault.find(actions, "corrupt")
  const sound = corrupt === undefined ? bytes : Buffer.from(bytes)
  if (corrupt !== undefined && corrupt.at < sound.length) sound[corrupt.at] = ~(sound[corrupt.at] ?? 0) & 0xff
  const bytesPerSecond = Fault.find(actions, "slow")?.bytesPerSecond
  const cut = Fault.find(actions, "cut")
  if (cut !== undefined) return { bytes: sound.subarray(0, cut.after), bytesPerSecond, ending: { _tag: "Cut" } }
  const silence = Fault.find(actions, "silence")
  if (silence?.after !== undefined) {
    return { bytes: sound.subarray(0, silence.after), bytesPerSecond, ending: { _tag: "Silence" } }
  }
  const error = Fault.find(actions, "error")
  if (error?.after !== undefined) {
    const { code, message } = error
    return { bytes: sound.subarray(0, error.after), bytesPerSecond, ending: { _tag: "Error", code, message } }
  }
  return { bytes: sound, bytesPerSecond, ending: { _tag: "Complete" } }
}

/** True when the archive's prepared frames can go out as they are. */
export const isPlain = (delivery: Delivery, bytes: Buffer): boolean =>
  delivery.ending._tag === "Complete" && delivery.bytesPerSecond === undefined && delivery.bytes === bytes

const ticksPerSecond = 20

/** Sends the bytes in slices, at the planned rate. */
export const send = <E>(
  delivery: Delivery,
  write: (slice: Buffer) => Effect.Effect<void, E>
): Effect.Effect<void, E> => {
  const { bytes, bytesPerSecond } = delivery
  if (bytesPerSecond === undefined) return bytes.length === 0 ? Effect.void : write(bytes)
  const size = Math.max(1, Math.floor(bytesPerSecond / ticksPerSecond))
  const slices = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size)
  )
  return Effect.forEach(slices, (slice) => Effect.andThen(write(slice), Effect.sleep(1000 / ticksPerSecond)), {
    discard: true
  })
}
