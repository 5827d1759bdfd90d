/**
 * One archive from the store into a directory: GET, zstd and tar as the bytes arrive, nothing held in memory.
 *
 * Source: `compute_tools/src/extension_server.rs`.
 */

import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { constants, createZstdDecompress } from "node:zlib"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { COMMON_WINDOW_LOG, HEADER, LARGEST_WINDOW_LOG, windowLog, windowOf } from "../../domain/storage/ZstdFrame.ts"
import { BadArchive } from "../archive/BadArchive.ts"
import { TarReader } from "../archive/TarReader.ts"
import { send, statusText } from "../http/outgoing/send.ts"
import type { ArchiveLimits } from "./DownloadPolicy.ts"
import { Staging } from "./Staging.ts"

export class NotDownloaded extends Data.TaggedError("NotDownloaded")<{
  readonly message: string
  /** `404 Not Found`; `unknown` without an answer; that of an answer whose body was cut off. */
  readonly httpStatus: string
  /** Another try may succeed. */
  readonly transient: boolean
}> {}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

const refused = (status: number) =>
  new NotDownloaded({
    message:
      status === 503
        ? "remote extensions server is temporarily unavailable"
        : `unexpected remote extensions server response status code: ${statusText(status)}`,
    httpStatus: statusText(status),
    transient: [429, 502, 503, 504].includes(status)
  })

const lost = (error: unknown, httpStatus = "unknown") =>
  new NotDownloaded({ message: reasonOf(error), httpStatus, transient: true })

const unusable = (reason: string) =>
  new NotDownloaded({ message: reason, httpStatus: statusText(200), transient: false })

const MIB = 1024 * 1024

/** Holds a share of that memory while `use` runs. An archive that asks for more than any may have is refused. */
const withWindow = async <A>(
  windows: Semaphore.Semaphore,
  head: Uint8Array,
  signal: AbortSignal,
  use: (windowLogMax: number) => Promise<A>
) => {
  // What does not begin with a frame is for the decoder to judge, which needs no memory for that.
  const log = Math.max(COMMON_WINDOW_LOG, windowLog(windowOf(head) ?? 0))
  if (log > LARGEST_WINDOW_LOG) {
    throw new BadArchive(`the archive needs a window of more than ${2 ** LARGEST_WINDOW_LOG / MIB} MiB`)
  }
  const share = 2 ** log / MIB
  await Effect.runPromise(windows.take(share), { signal })
  try {
    return await use(log)
  } finally {
    await Effect.runPromise(windows.release(share))
  }
}

/** The chunks so far, at least so many bytes of them unless it ends before; and all of the body, those included. */
const peek = async (body: AsyncIterator<Uint8Array>, length: number) => {
  const chunks: Array<Uint8Array> = []
  let size = 0
  while (size < length) {
    const next = await body.next()
    if (next.done === true) break
    chunks.push(next.value)
    size += next.value.length
  }
  const whole = async function* () {
    yield* chunks
    for (let next = await body.next(); next.done !== true; next = await body.next()) yield next.value
  }
  return { head: Buffer.concat(chunks), whole: whole() }
}

/** Reads the body, telling its failures from those of whoever takes the bytes. */
async function* received(body: AsyncIterable<Uint8Array>, limits: ArchiveLimits, count: (size: number) => void) {
  const iterator = body[Symbol.asyncIterator]()
  let size = 0
  try {
    for (;;) {
      const next = await iterator.next().catch((error: unknown) => {
        throw lost(error, statusText(200))
      })
      if (next.done === true) break
      size += next.value.length
      if (size > limits.compressed) throw new BadArchive(`the archive has more than ${limits.compressed} bytes`)
      yield next.value
    }
  } finally {
    await iterator.return?.()
  }
  count(size)
}

const unpackFrom = async (
  body: AsyncIterable<Uint8Array>,
  staging: Staging,
  limits: ArchiveLimits,
  windowLogMax: number,
  signal: AbortSignal
) => {
  const reader = new TarReader(staging, limits)
  const check = (fault: string | null) => {
    if (fault !== null) throw new BadArchive(fault)
  }
  try {
    await pipeline(
      Readable.from(body, { objectMode: false }),
      createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: windowLogMax } }),
      async (bytes: AsyncIterable<Buffer>) => {
        for await (const chunk of bytes) check(reader.push(chunk))
        check(reader.finish())
      },
      { signal }
    )
    staging.finish()
  } catch (error) {
    // zstd lets go of its source when something else follows the last frame.
    const dropped = error instanceof Error && error.name === "AbortError" && !signal.aborted
    throw dropped ? new BadArchive("the archive is followed by something else") : error
  } finally {
    staging.close()
  }
}

/** Resolves with the compressed size. */
const unpacked = async (
  body: AsyncIterable<Uint8Array>,
  directory: string,
  limits: ArchiveLimits,
  windows: Semaphore.Semaphore,
  signal: AbortSignal
) => {
  let size = 0
  const counted = received(body, limits, (total) => {
    size = total
  })
  try {
    const { head, whole } = await peek(counted, HEADER)
    await withWindow(windows, head, signal, (windowLogMax) =>
      unpackFrom(whole, new Staging(directory), limits, windowLogMax, signal)
    )
  } finally {
    await counted.return()
  }
  return size
}

/**
 * One try into an empty directory; nothing is written to it any more once this has ended. Succeeds with the compressed size.
 * `windows`: a permit for each MiB that the decoders of all downloads may have, 128 at least.
 */
export const downloadArchive = (
  url: string,
  directory: string,
  limits: ArchiveLimits,
  windows: Semaphore.Semaphore
): Effect.Effect<number, NotDownloaded> =>
  Effect.gen(function* () {
    const { body, status } = yield* Effect.mapError(
      send({ method: "GET", url, connect: limits.stall, silence: limits.stall }),
      (error) => lost(error)
    )
    if (status !== 200) return yield* refused(status)
    const chunks = yield* Stream.toAsyncIterableEffect(body)
    return yield* Effect.callback<number, NotDownloaded>((resume) => {
      const controller = new AbortController()
      const settled = unpacked(chunks, directory, limits, windows, controller.signal).then(
        (size) => resume(Effect.succeed(size)),
        (error: unknown) => resume(error instanceof NotDownloaded ? error : unusable(reasonOf(error)))
      )
      return Effect.promise(() => {
        controller.abort()
        return settled
      })
    })
  }).pipe(Effect.scoped)
