/**
 * One archive from the store into a directory: GET, zstd and tar as the bytes arrive, nothing held in memory.
 *
 * Source: `compute_tools/src/extension_server.rs`.
 */
import { STATUS_CODES } from "node:http"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createZstdDecompress } from "node:zlib"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { BadArchive } from "../basebackup/BadArchive.ts"
import { TarReader } from "../basebackup/TarReader.ts"
import type { ArchiveLimits } from "./DownloadPolicy.ts"
import { Staging } from "./Staging.ts"

export class NotDownloaded extends Data.TaggedError("NotDownloaded")<{
  readonly message: string
  /** `404 Not Found`; `unknown` without a whole answer. */
  readonly httpStatus: string
  /** Another try may succeed. */
  readonly transient: boolean
}> {}

const statusText = (status: number): string => `${status} ${STATUS_CODES[status] ?? "<unknown status code>"}`
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

const lost = (error: unknown) => new NotDownloaded({ message: reasonOf(error), httpStatus: "unknown", transient: true })

const unusable = (reason: string) =>
  new NotDownloaded({ message: reason, httpStatus: statusText(200), transient: false })

/** Aborts when nothing has been heard for a while. */
const stallWatch = (millis: number) => {
  const controller = new AbortController()
  const give = () => controller.abort(new Error(`the store sent nothing for ${millis / 1000} s`))
  let timer = setTimeout(give, millis)
  return {
    signal: controller.signal,
    heard: () => {
      clearTimeout(timer)
      timer = setTimeout(give, millis)
    },
    end: () => clearTimeout(timer)
  }
}

/** Reads the body, telling its failures from those of whoever takes the bytes. */
async function* received(
  body: AsyncIterable<Uint8Array>,
  limits: ArchiveLimits,
  heard: () => void,
  count: (size: number) => void
) {
  const iterator = body[Symbol.asyncIterator]()
  let size = 0
  try {
    for (;;) {
      const next = await iterator.next().catch((error: unknown) => {
        throw lost(error)
      })
      if (next.done === true) break
      heard()
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
  signal: AbortSignal
) => {
  const reader = new TarReader(staging, limits)
  const check = (fault: string | null) => {
    if (fault !== null) throw new BadArchive(fault)
  }
  try {
    await pipeline(
      Readable.from(body, { objectMode: false }),
      createZstdDecompress(),
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

const attempt = async (url: string, directory: string, limits: ArchiveLimits, interrupted: AbortSignal) => {
  const stall = stallWatch(limits.stall)
  const signal = AbortSignal.any([interrupted, stall.signal])
  try {
    const response = await fetch(url, { signal, headers: { "accept-encoding": "identity" } }).catch(
      (error: unknown) => {
        throw lost(error)
      }
    )
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel()
      throw refused(response.status)
    }
    let size = 0
    const body = received(response.body, limits, stall.heard, (total) => {
      size = total
    })
    await unpackFrom(body, new Staging(directory), limits, signal).catch((error: unknown) => {
      if (stall.signal.aborted) throw lost(stall.signal.reason)
      throw error instanceof NotDownloaded ? error : unusable(reasonOf(error))
    })
    return size
  } finally {
    stall.end()
  }
}

/** One try into an empty directory; nothing is written to it any more once this has ended. Succeeds with the compressed size. */
export const downloadArchive = (
  url: string,
  directory: string,
  limits: ArchiveLimits
): Effect.Effect<number, NotDownloaded> =>
  Effect.async((resume) => {
    const controller = new AbortController()
    const settled = attempt(url, directory, limits, controller.signal).then(
      (size) => resume(Effect.succeed(size)),
      (error: unknown) => resume(error instanceof NotDownloaded ? error : unusable(reasonOf(error)))
    )
    return Effect.promise(() => {
      controller.abort()
      return settled
    })
  })
