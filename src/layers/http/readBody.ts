/**
 * The body of an answer, with a limit while it is read: one that never ends, or that no string can hold, is the peer's
 * fault and must not become ours.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export class BodyTooLong extends Data.TaggedError("BodyTooLong")<{ readonly limit: number }> {
  override get message() {
    return `the answer has more than ${this.limit} bytes`
  }
}

/** One buffer that grows: a chunk of one byte, kept for itself, takes a hundred. */
export const collector = (limit: number) => {
  let bytes = Buffer.alloc(0)
  let size = 0
  return {
    /** False when it would be too much. */
    push: (chunk: Uint8Array): boolean => {
      const needed = size + chunk.byteLength
      if (needed > limit) return false
      if (needed > bytes.length) {
        const larger = Buffer.allocUnsafe(Math.min(limit, Math.max(needed, 2 * bytes.length)))
        bytes.copy(larger, 0, 0, size)
        bytes = larger
      }
      bytes.set(chunk, size)
      size = needed
      return true
    },
    all: () => bytes.subarray(0, size)
  }
}

/** Rejects with the stream's own error, or with `BodyTooLong`; the stream is given up then. `limit`: bytes. */
export const readBody = async (body: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> => {
  const collected = collector(limit)
  for await (const chunk of body) {
    if (!collected.push(chunk)) throw new BodyTooLong({ limit })
  }
  return collected.all()
}

/** As `readBody`. */
export const readStream = <E, R>(body: Stream.Stream<Uint8Array, E, R>, limit: number) =>
  Effect.suspend(() => {
    const collected = collector(limit)
    return body.pipe(
      Stream.runForEach((chunk) => (collected.push(chunk) ? Effect.void : Effect.fail(new BodyTooLong({ limit })))),
      Effect.map(collected.all)
    )
  })
