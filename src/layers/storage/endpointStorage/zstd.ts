/**
 * zstd in streams, so that neither side waits for the other's last byte.
 */
import * as zlib from "node:zlib"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { COMMON_WINDOW_LOG } from "../../../domain/storage/ZstdFrame.ts"

export class ZstdFailed extends Data.TaggedError("ZstdFailed")<{ readonly message: string }> {}

/** Some 36 bytes for each MiB that is in the cache: a cache of 1.8 TiB. Sixteen kilobytes can unpack to more. */
const LARGEST_STATE = 64 * 1024 * 1024

const through = <E>(transform: Zstd, source: Stream.Stream<Uint8Array, E>, limit: number) => {
  const chunks: Array<Uint8Array> = []
  let length = 0
  const received = Effect.callback<ReadonlyArray<Uint8Array>, ZstdFailed>((resume) => {
    transform.on("data", (chunk: Uint8Array) => {
      chunks.push(chunk)
      length += chunk.byteLength
      if (length > limit) transform.destroy(new Error(`more than ${limit} bytes`))
    })
    transform.once("end", () => resume(Effect.succeed(chunks)))
    transform.once("error", (error) => resume(Effect.fail(new ZstdFailed({ message: error.message }))))
  })
  // A write that fails also breaks the transform, whose error says more.
  let taken = 0
  const write = (chunk: Uint8Array) =>
    Effect.callback<void>((resume) => {
      taken += chunk.byteLength
      // Frames may be empty, and so many that they never end.
      if (taken > limit) transform.destroy(new Error(`more than ${limit} bytes`))
      else transform.write(chunk, (error) => resume(error == null ? Effect.void : Effect.never))
    })
  const sent = Effect.andThen(
    Stream.runForEach(source, write),
    Effect.sync(() => transform.end())
  )
  return Effect.map(Effect.all([received, sent], { concurrency: 2 }), ([all]) => all)
}

type Zstd = zlib.ZstdCompress | zlib.ZstdDecompress

const scoped = <A, E>(create: () => Zstd, use: (transform: Zstd) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const transform = create()
      transform.on("error", () => undefined)
      return transform
    }),
    use,
    (transform) => Effect.sync(() => transform.destroy())
  )

/** All frames of the source, decompressed. */
export const decompress = <E>(
  source: Stream.Stream<Uint8Array, E>,
  limit = LARGEST_STATE
): Effect.Effect<Uint8Array, E | ZstdFailed> =>
  scoped(
    () => zlib.createZstdDecompress({ params: { [zlib.constants.ZSTD_d_windowLogMax]: COMMON_WINDOW_LOG } }),
    (transform) => Effect.map(through(transform, source, limit), (chunks) => Buffer.concat(chunks))
  )

/** One frame at the default level, in chunks. */
export const compress = (bytes: Uint8Array): Effect.Effect<ReadonlyArray<Uint8Array>, ZstdFailed> =>
  scoped(
    () => zlib.createZstdCompress(),
    (transform) => through(transform, Stream.make(bytes), LARGEST_STATE)
  )
