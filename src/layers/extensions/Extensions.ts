/**
 * Extensions that the image lacks: their control files at the start, their archives when Postgres asks for them.
 *
 * Source: `compute_tools/src/extension_server.rs`, `compute_tools/src/compute.rs` (`prepare_preload_libraries`).
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { type ExtensionUnknown, preloadLibraries, resolve } from "../../domain/spec/RemoteExtensions.ts"
import { ComputeState } from "../compute/ComputeState.ts"
import { Options } from "../compute/Options.ts"
import { Children } from "../machine/child/Children.ts"
import { Metrics } from "../observe/Metrics.ts"
import { makeArchives } from "./archives.ts"
import { writeControlFiles } from "./controlFiles.ts"
import type { DownloadPolicy } from "./DownloadPolicy.ts"
import { type DownloadFailed, NoExtensionInfo, NoExtensionStore } from "./errors.ts"
import { askInstallation } from "./pgConfig.ts"

export { DownloadFailed, NoExtensionInfo, NoExtensionStore } from "./errors.ts"

/** What a spec asks for cannot be prepared. */
export class ExtensionsFailed extends Data.TaggedError("ExtensionsFailed")<{ readonly message: string }> {}

export interface LoadedExtensions {
  readonly loadExtMs: number
  readonly numDownloaded: number
  /** Compressed bytes. */
  readonly largest: number
  readonly total: number
}

const GIB = 1024 ** 3
const policy: DownloadPolicy = {
  compressed: 2 * GIB,
  unpacked: 8 * GIB,
  entries: 100_000,
  stall: 20_000,
  deadline: 55_000,
  retries: 20_000
}

export class Extensions extends Context.Service<
  Extensions,
  {
    /** Writes missing control files and downloads the preload libraries. A download that fails is only logged. */
    readonly prepare: (spec: ParsedSpec) => Effect.Effect<LoadedExtensions, ExtensionsFailed>
    /**
     * Has the archive with the extension, or the library, in place. Callers that want the same archive share one
     * download and its result; one that succeeded counts for the life of the process.
     */
    readonly fetch: (
      name: string,
      isLibrary: boolean
    ) => Effect.Effect<void, NoExtensionStore | NoExtensionInfo | ExtensionUnknown | DownloadFailed>
  }
>()("compute/Extensions") {
  static readonly layerWith = (downloads: DownloadPolicy) =>
    Layer.effect(
      this,
      Effect.suspend(() => make(downloads))
    )
  static readonly layer = this.layerWith(policy)
}

const nothing: LoadedExtensions = { loadExtMs: 0, numDownloaded: 0, largest: 0, total: 0 }

const make = Effect.fnUntraced(function* (downloads: DownloadPolicy) {
  const options = yield* Options
  const children = yield* Children
  const state = yield* ComputeState
  const metrics = yield* Metrics
  const [installation, forget] = yield* Effect.cachedInvalidateWithTTL(
    askInstallation(children, options.pgbin),
    "1000 days"
  )
  // An answer is for ever, a failure is not.
  const installed = Effect.tapError(installation, () => forget)
  const archives = yield* makeArchives({ options, metrics, installed, downloads })

  const preload = Effect.fnUntraced(function* (spec: ParsedSpec) {
    const remote = spec.spec.remote_extensions
    if (remote === null || options.remoteExtBaseUrl === null) return nothing
    const libraries = preloadLibraries(spec.spec)
    const extensions = yield* Effect.forEach(libraries, (library) => Effect.fromResult(resolve(remote, library, true)))
    const began = yield* Clock.currentTimeMillis
    if (libraries.length > 0) {
      yield* Effect.logInfo(`downloading extensions for the preload libraries ${libraries.join(", ")}`)
    }
    const sizes = yield* Effect.forEach(
      extensions,
      (extension) =>
        Effect.catch(archives.fetch(extension), ({ message }) =>
          Effect.as(Effect.logError(`Failed to download extension: ${message}`), null)
        ),
      { concurrency: "unbounded" }
    )
    const done = sizes.filter((size) => size !== null)
    return {
      loadExtMs: (yield* Clock.currentTimeMillis) - began,
      numDownloaded: done.length,
      largest: Math.max(0, ...done),
      total: done.reduce((sum, size) => sum + size, 0)
    }
  })

  return Extensions.of({
    prepare: (spec) =>
      Effect.gen(function* () {
        const remote = spec.spec.remote_extensions
        if (remote === null) return nothing
        yield* writeControlFiles(
          remote,
          Effect.map(installed, ({ sharedir }) => sharedir)
        )
        return yield* preload(spec)
      }).pipe(
        Effect.mapError(({ message }) => new ExtensionsFailed({ message })),
        Effect.withSpan("download_preload_extensions")
      ),
    fetch: (name, isLibrary) =>
      Effect.gen(function* () {
        if (options.remoteExtBaseUrl === null) return yield* new NoExtensionStore()
        const { spec } = yield* state.get
        const remote = spec?.spec.remote_extensions ?? null
        if (remote === null) return yield* new NoExtensionInfo()
        yield* archives.fetchInTime(yield* Effect.fromResult(resolve(remote, name, isLibrary)))
      }).pipe(Effect.withSpan("fetch extension", { attributes: { name, isLibrary } }))
  })
})
