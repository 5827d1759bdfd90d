/**
 * The job's place in object storage, and the key service that its spec is encrypted by.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { type ImportSpec, parse } from "../../../domain/fastImport/ImportSpec.ts"
import { failing, type JobFailed } from "../../../domain/fastImport/JobFailed.ts"
import { below, format, type S3Prefix } from "../../../domain/fastImport/S3Prefix.ts"
import type { Aws, Content, ObjectPlace, StoredObject } from "../aws/Aws.ts"
import { loadLibrary } from "../aws/load.ts"

/** For all attempts at a small object, and at a key. A request that stands still is given up by the library. */
const LIMIT = "5 minutes"
/** Bytes. Two connection strings and two names are a hundredth of that. */
const LARGEST_SPEC = 1024 ** 2
const STATUS_FAILED = "sync status directory to destination"

export interface Storage {
  readonly prefix: S3Prefix
  readonly spec: Effect.Effect<ImportSpec | null, JobFailed>
  /** `what`: the text of a failure of the service. */
  readonly decrypt: (
    what: string,
    keyId: string,
    ciphertext: Uint8Array
  ) => Effect.Effect<Redacted.Redacted<string>, JobFailed>
  readonly put: (place: ObjectPlace, content: Content) => Effect.Effect<void, unknown>
  readonly head: (place: ObjectPlace) => Effect.Effect<StoredObject | null, unknown>
  /** Below `status/`. */
  readonly putStatus: (name: string, text: string) => Effect.Effect<void, JobFailed>
}

const call = <A>(run: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, unknown> =>
  Effect.tryPromise({ try: run, catch: (error) => error })

/** A failure tells what was asked for before it tells why. */
const asking =
  (what: string) =>
  <A>(run: Effect.Effect<A, unknown>): Effect.Effect<A, JobFailed> =>
    run.pipe(
      Effect.timeoutOrElse({
        duration: LIMIT,
        orElse: () => Effect.fail(new Error(`no answer within ${LIMIT}`))
      }),
      Effect.mapError(failing(what))
    )

const textOf = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)

const specOf = Effect.fnUntraced(function* (aws: Effect.Effect<Aws, unknown>, place: ObjectPlace) {
  const ask = asking(format(place))
  const { body } = yield* Effect.flatMap(aws, ({ get }) => call((signal) => get(place, LARGEST_SPEC, signal))).pipe(
    ask,
    Effect.mapError(failing("get spec from s3"))
  )
  const bytes = yield* call(body).pipe(ask, Effect.mapError(failing("download spec body")))
  const unreadable = (cause: unknown) => failing("parse spec as json")(failing(format(place))(cause))
  const text = yield* Effect.try({ try: () => textOf(bytes), catch: unreadable })
  return yield* Effect.fromResult(Result.mapError(parse(text), (why) => unreadable(new Error(why))))
})

const decrypting =
  (aws: Effect.Effect<Aws, unknown>): Storage["decrypt"] =>
  (what, keyId, ciphertext) =>
    Effect.gen(function* () {
      const plain = yield* Effect.flatMap(aws, ({ decrypt }) =>
        call((signal) => decrypt(keyId, ciphertext, signal))
      ).pipe(asking(`key ${keyId}`), Effect.mapError(failing(what)))
      if (plain === null) return yield* failing("get plaintext connection string")(new Error("the answer has none"))
      return yield* Effect.try({
        try: () => Redacted.make(textOf(plain)),
        // Without the cause: it would repeat what it could not read.
        catch: () => failing("parse connection string as utf8")(new Error("it is not UTF-8"))
      })
    })

/** The library is read at the first use, and what it has open is closed with the scope. */
export const openStorage = (
  prefix: S3Prefix,
  env: Readonly<Record<string, string | undefined>>
): Effect.Effect<Storage, never, Scope.Scope> =>
  Effect.gen(function* () {
    let opened: Aws | null = null
    const aws = yield* Effect.cached(
      call(async () => {
        const { open } = await loadLibrary()
        opened = await open(env)
        return opened
      })
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => opened?.close()))
    const put: Storage["put"] = (place, content) =>
      Effect.flatMap(aws, (ready) => call((signal) => ready.put(place, content, signal)))
    return {
      prefix,
      spec: specOf(aws, below(prefix, "spec.json")),
      decrypt: decrypting(aws),
      put,
      head: (place) => Effect.flatMap(aws, (ready) => call((signal) => ready.head(place, signal))),
      putStatus: (name, text) => {
        const place = below(prefix, `status/${name}`)
        const content = { bytes: new TextEncoder().encode(text), type: "application/octet-stream" }
        return put(place, content).pipe(asking(format(place)), Effect.mapError(failing(STATUS_FAILED)))
      }
    }
  })
