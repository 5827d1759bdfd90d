/**
 * The archives of this process: each is downloaded once, however many ask for it.
 */

import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { arch } from "node:os"
import { dirname, join } from "node:path"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import { hostOf } from "../../domain/api/BaseUrl.ts"
import { excerpt } from "../../domain/json/Excerpt.ts"
import { messageOf } from "../../domain/observe/ErrorChain.ts"
import { remoteExtRequests } from "../../domain/observe/MetricFamilies.ts"
import { archiveName, archiveUrl, goArchitecture } from "../../domain/spec/ExtensionPath.ts"
import type { ComputeOptions } from "../compute/Options.ts"
import { retrying } from "../compute/retrying.ts"
import { Waits } from "../compute/Waits.ts"
import type { Metrics } from "../observe/Metrics.ts"
import type { DownloadPolicy } from "./DownloadPolicy.ts"
import type { NotDownloaded } from "./download.ts"
import { DownloadFailed } from "./errors.ts"
import type { Installation, NoPgConfig } from "./pgConfig.ts"

export interface ArchivesSettings {
  readonly options: ComputeOptions
  readonly metrics: Metrics["Service"]
  readonly installed: Effect.Effect<Installation, NoPgConfig>
  readonly downloads: DownloadPolicy
}

/** First pause between two tries; it doubles. */
const FIRST_PAUSE = "250 millis"
const LONGEST_PAUSE = "5 seconds"
/** Archives on their way at the same time. Whoever may create extensions may ask for all of them at once. */
const AT_ONCE = 8
/** MiB of the decoders of all archives together: two of the largest window, thirty of the usual one. */
const WINDOWS = 256

export const makeArchives = Effect.fnUntraced(function* ({ options, metrics, installed, downloads }: ArchivesSettings) {
  const scope = yield* Effect.scope
  const waits = yield* Waits
  const wanted = new Map<string, Deferred.Deferred<number, DownloadFailed>>()
  const windows = yield* Semaphore.make(WINDOWS)
  const slots = yield* Semaphore.make(AT_ONCE)
  /** Beside the directories the files go to, so that moving them is a rename. */
  const staging = join(dirname(dirname(options.pgbin)), "download_extensions")

  const io = <A>(extension: string, run: () => Promise<A>) =>
    Effect.tryPromise({ try: run, catch: (error) => new DownloadFailed({ extension, reason: messageOf(error) }) })

  const stagingDirectory = (extension: string) =>
    Effect.acquireRelease(
      io(extension, async () => {
        await mkdir(staging, { recursive: true })
        return mkdtemp(join(staging, "archive-"))
      }),
      (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }).catch(() => {}))
    )

  /** Downloads and installs in one try. Succeeds with the compressed size. */
  const attempt = Effect.fnUntraced(function* (extension: string, url: string, { sharedir, pkglibdir }: Installation) {
    // HTTP, zstd and tar cost start-up time that a compute without remote extensions need not pay.
    const [{ downloadArchive }, { install }] = yield* Effect.promise(() =>
      Promise.all([import("./download.ts"), import("./Staging.ts")])
    )
    const directory = yield* stagingDirectory(extension)
    const count = (http_status: string) =>
      metrics.increment(remoteExtRequests, { filename: archiveName(extension), http_status })
    const size = yield* downloadArchive(url, directory, downloads, windows).pipe(
      Effect.tap(() => count("200 OK")),
      Effect.tapError(({ httpStatus }) => count(httpStatus))
    )
    yield* io(extension, () => install(directory, sharedir, pkglibdir))
    return size
  }, Effect.scoped)

  const retries = Schedule.min([Schedule.exponential(FIRST_PAUSE), Schedule.spaced(LONGEST_PAUSE)]).pipe(
    Schedule.upTo({ duration: Duration.millis(downloads.retries) })
  )

  const download = (extension: string) =>
    Effect.gen(function* () {
      const baseUrl = options.remoteExtBaseUrl ?? ""
      const installation = yield* installed
      const architecture = goArchitecture(arch())
      const url = archiveUrl(
        { baseUrl, buildTag: options.buildTag, architecture, major: installation.major },
        extension
      )
      yield* Effect.logInfo(`downloading extension ${excerpt(extension)}`)
      const [took, size] = yield* attempt(extension, url, installation).pipe(
        slots.withPermits(1),
        Effect.tapErrorTag("NotDownloaded", ({ message }) =>
          Effect.logWarning(`extension ${excerpt(extension)} was not downloaded: ${message}`)
        ),
        retrying({
          whom: `${excerpt(extension)} from ${hostOf(url)}`,
          attempts: null,
          schedule: retries,
          passing: (error: NotDownloaded | DownloadFailed) => error._tag === "NotDownloaded" && error.transient,
          failed: () => Effect.void
        }),
        waits.openEnded("extension to be downloaded"),
        Effect.timed
      )
      yield* Effect.logInfo(`downloaded extension ${excerpt(extension)}: ${size} bytes in ${Duration.format(took)}`)
      return size
    }).pipe(
      Effect.mapError((error) =>
        error._tag === "DownloadFailed" ? error : new DownloadFailed({ extension, reason: error.message })
      ),
      Effect.withSpan("download extension", { attributes: { extension } })
    )

  /** A client of Postgres' goes away after a minute; the download is there for the next one. */
  const impatient = (extension: string) =>
    Effect.timeoutOrElse({
      duration: Duration.millis(downloads.deadline),
      orElse: () =>
        Effect.fail(
          new DownloadFailed({ extension, reason: `not done within ${downloads.deadline / 1000} s, and goes on` })
        )
    })

  /**
   * The first caller's download is everybody's; it goes on when that caller leaves, for as long as bytes come. Succeeds
   * with the compressed size for the one who began it and 0 for the others.
   */
  const fetch = (extension: string): Effect.Effect<number, DownloadFailed> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const shared = wanted.get(extension)
        if (shared !== undefined) return Effect.as(restore(Deferred.await(shared)), 0)
        return Effect.gen(function* () {
          const result = yield* Deferred.make<number, DownloadFailed>()
          wanted.set(extension, result)
          yield* Effect.interruptible(download(extension)).pipe(
            Effect.tapCause(() => Effect.sync(() => wanted.delete(extension))),
            Deferred.into(result),
            Effect.forkIn(scope)
          )
          return yield* restore(Deferred.await(result))
        })
      })
    )

  return { fetch, fetchInTime: (extension: string) => impatient(extension)(fetch(extension)) }
})
