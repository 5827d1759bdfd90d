/**
 * The body of an answer, with a limit while it is read: one that never ends, or that no string can hold, is the peer's
 * fault and must not become ours.
 */
import * as Data from "effect/Data"

export class BodyTooLong extends Data.TaggedError("BodyTooLong")<{ readonly limit: number }> {
  override get message() {
    return `the answer has more than ${this.limit} bytes`
  }
}

/** Rejects with the stream's own error, or with `BodyTooLong`; the stream is given up then. `limit`: bytes. */
export const readBody = async (body: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> => {
  // One buffer that grows: a chunk of one byte, kept for itself, takes a hundred.
  let bytes = Buffer.alloc(0)
  let size = 0
  for await (const chunk of body) {
    const needed = size + chunk.byteLength
    if (needed > limit) throw new BodyTooLong({ limit })
    if (needed > bytes.length) {
      const larger = Buffer.allocUnsafe(Math.min(limit, Math.max(needed, 2 * bytes.length)))
      bytes.copy(larger, 0, 0, size)
      bytes = larger
    }
    bytes.set(chunk, size)
    size = needed
  }
  return bytes.subarray(0, size)
}

/** Reads to the end, or gives the stream up after so many bytes: for answers that nobody looks at. */
export const discard = async (body: AsyncIterable<Uint8Array>, limit: number): Promise<void> => {
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > limit) return
  }
}
