/**
 * Control files of remote extensions: with them `CREATE EXTENSION` knows the extension, and asks for its scripts.
 */
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { excerpt } from "../../domain/json/Excerpt.ts"
import type { RemoteExtensions } from "../../domain/spec/ComputeSpec.ts"
import { controlFiles, isPlainName } from "../../domain/spec/RemoteExtensions.ts"
import { isThere } from "../machine/isThere.ts"
import { replaceFile } from "../machine/replaceFile.ts"

export class NoControlFile extends Data.TaggedError("NoControlFile")<{ readonly message: string }> {}

/** Writes those of the permitted extensions that are not there; one of the image wins. */
export const writeControlFiles = Effect.fnUntraced(function* <E extends { readonly message: string }>(
  remote: RemoteExtensions,
  sharedir: Effect.Effect<string, E>
) {
  const files = controlFiles(remote)
  if (files.length === 0) return
  const directory = join(yield* sharedir, "extension")
  yield* Effect.tryPromise({
    try: () => mkdir(directory, { recursive: true }),
    catch: (error) => new NoControlFile({ message: `${directory}: ${error instanceof Error ? error.message : error}` })
  })
  yield* Effect.forEach(
    files,
    ({ extension, name, text }) =>
      Effect.gen(function* () {
        if (!isPlainName(name)) {
          const message = `extension ${excerpt(extension)}: ${JSON.stringify(excerpt(name))} is not the name of a control file`
          return yield* new NoControlFile({ message })
        }
        const path = join(directory, name)
        if (yield* isThere(path))
          return yield* Effect.logWarning(`control file ${path} exists, the remote one is ignored`)
        yield* replaceFile(path, text)
      }),
    { concurrency: 8, discard: true }
  )
})
