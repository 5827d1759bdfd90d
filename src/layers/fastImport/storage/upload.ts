/**
 * A directory into object storage: regular files, ten at once. The first that fails ends all: an import of half a directory
 * is worse than none.
 *
 * Source: `compute_tools/src/bin/fast_import/aws_s3_sync.rs`.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { pipeline } from "node:stream/promises"
import * as Effect from "effect/Effect"
import { failing, type JobFailed } from "../../../domain/fastImport/JobFailed.ts"
import { below, format, type S3Prefix } from "../../../domain/fastImport/S3Prefix.ts"
import type { RegularFile } from "../aws/Aws.ts"
import { ProgressReport } from "../ProgressReport.ts"
import type { Storage } from "./Storage.ts"

const AT_ONCE = 10
const FAILED = "sync dump directory to destination"

interface Found {
  readonly files: ReadonlyArray<RegularFile>
  /** What is neither a file nor a directory, and stays here. */
  readonly warnings: ReadonlyArray<string>
}

const filesBelow = (directory: string): Found => {
  const files: Array<RegularFile> = []
  const warnings: Array<string> = []
  for (const entry of fs.readdirSync(directory, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath, entry.name)
    if (entry.isFile()) files.push({ file, size: fs.statSync(file).size })
    else if (entry.isSymbolicLink()) warnings.push(`cannot upload symlink (${file})`)
    else if (!entry.isDirectory()) warnings.push(`directory entry has unexpected type (${file})`)
  }
  return { files, warnings }
}

const md5 = (file: string): Effect.Effect<string, unknown> =>
  Effect.tryPromise({
    try: async (signal) => {
      const hash = createHash("md5")
      await pipeline(fs.createReadStream(file), hash, { signal })
      return hash.digest("hex")
    },
    catch: (error) => error
  })

/** An entity tag of another kind than a checksum is never equal to one: then the file is sent again. */
const isThere = Effect.fnUntraced(function* (storage: Storage, place: S3Prefix, { file, size }: RegularFile) {
  const stored = yield* storage.head(place)
  return stored !== null && stored.size === size && stored.etag === (yield* md5(file))
})

/** `name`: below the job's prefix. `resume`: what is there with the same size and checksum is not sent again. */
export const upload = (
  storage: Storage,
  directory: string,
  name: string,
  resume: boolean
): Effect.Effect<void, JobFailed, ProgressReport> =>
  Effect.gen(function* () {
    const report = yield* ProgressReport
    const { files, warnings } = yield* Effect.try({ try: () => filesBelow(directory), catch: failing(FAILED) })
    yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true })
    const bytes = files.reduce((sum, { size }) => sum + size, 0)
    const measure = { objects: files.length, objects_done: 0, bytes, bytes_done: 0 }
    const progress = () => ({ phase: "upload" as const, measure: { ...measure } })
    const sendOne = (one: RegularFile) => {
      const place = below(storage.prefix, `${name}/${path.relative(directory, one.file)}`)
      return Effect.gen(function* () {
        const known = resume && (yield* isThere(storage, place, one))
        if (!known) {
          yield* Effect.logInfo(`starting upload of ${one.file} to ${format(place)}`)
          yield* storage.put(place, one)
        }
        yield* Effect.logInfo(
          `${known ? "already there:" : "upload of"} ${one.file} to ${place.key}${known ? "" : " finished"}`
        )
        measure.objects_done += 1
        measure.bytes_done += one.size
        yield* report.set(progress())
      }).pipe(Effect.mapError((cause) => failing(FAILED)(failing(`${one.file} to ${format(place)}`)(cause))))
    }
    yield* Effect.forEach(files, sendOne, { concurrency: AT_ONCE, discard: true })
    yield* report.finish(progress())
  })
