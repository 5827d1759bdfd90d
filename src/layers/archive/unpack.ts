/**
 * A basebackup into a data directory: gunzip and untar as the bytes arrive.
 *
 * Source: `compute_tools/src/compute.rs` (`try_get_basebackup`), `pageserver/src/basebackup.rs`.
 */
import * as fs from "node:fs"
import * as zlib from "node:zlib"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { messageOf } from "../../domain/observe/ErrorChain.ts"
import { notWritten } from "../postgres/dataDirectory/diskFull.ts"
import { DataDirectoryFailed } from "../postgres/dataDirectory/errors.ts"
import { BadArchive } from "./BadArchive.ts"
import { Extraction, type Owner } from "./Extraction.ts"
import { BadBasebackup } from "./errors.ts"
import { type TarLimits, TarReader } from "./TarReader.ts"

/** Ours, written before the basebackup: an archive neither brings nor replaces them. */
const KEPT: ReadonlySet<string> = new Set([
  "postgresql.conf",
  "compute_ctl_temp_override.conf",
  "server.key",
  "server.crt"
])

/** Bytes that zlib puts out at a time: at its default of 16 KiB, a basebackup takes three times as long. */
const OUTPUT = 1024 * 1024
/** Far above what a basebackup has; below what compressed zeros, which become holes and fill no disk, could make of it. */
const LIMITS: TarLimits = { unpacked: 64 * 1024 ** 3, entries: 2_000_000 }

/** Compressed bytes that may wait for zlib. */
const INPUT = 256 * 1024

/**
 * Outputs after which those that have been written are collected, where the process was started with `--expose-gc`:
 * 16 MiB of zeros would otherwise stay in its memory for good. A scavenge takes less time than the page faults it saves.
 */
const COLLECTED = 6
/** Outputs that may wait to be written. */
const AHEAD = 4

type Failure = BadBasebackup | DataDirectoryFailed

/** Removes what an earlier try left. */
const clear = (dir: string): Effect.Effect<void, DataDirectoryFailed> =>
  Effect.tryPromise({
    try: async () => {
      for (const name of fs.readdirSync(dir)) {
        if (!KEPT.has(name)) await fs.promises.rm(`${dir}/${name}`, { recursive: true, force: true })
      }
    },
    catch: (error) => new DataDirectoryFailed({ path: dir, reason: messageOf(error) })
  })

const verified = (dir: string): Effect.Effect<void, BadBasebackup> =>
  Effect.gen(function* () {
    const has = (name: string) => fs.lstatSync(`${dir}/${name}`, { throwIfNoEntry: false })?.isFile() === true
    if (!has("global/pg_control")) {
      return yield* new BadBasebackup({
        message: "the basebackup has no global/pg_control: Postgres cannot start from it"
      })
    }
    if (!has("neon.signal") && !has("zenith.signal")) {
      yield* Effect.logWarning("the basebackup has no neon.signal: Postgres cannot tell where the WAL before it ends")
    }
  })

interface Pipeline {
  /** Succeeds when more may be written; what comes after the end of the archive is passed by. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, Failure>
  /** The end of the input: succeeds when everything has been unpacked. */
  readonly end: Effect.Effect<void, Failure>
  readonly failed: Effect.Effect<never, Failure>
}

const pipelineInto = (dir: string, extraction: Extraction): Effect.Effect<Pipeline, never, Scope.Scope> =>
  Effect.gen(function* () {
    const done = yield* Deferred.make<void, Failure>()
    const reader = new TarReader(extraction, LIMITS)
    const options = { chunkSize: OUTPUT, highWaterMark: INPUT }
    const gunzip = yield* Effect.acquireRelease(
      Effect.sync(() => zlib.createGunzip(options)),
      (stream) => Effect.sync(() => stream.destroy())
    )
    const settle = (outcome: Effect.Effect<void, Failure>) => {
      Deferred.doneUnsafe(done, outcome)
      gunzip.destroy()
    }
    const unpacked = (work: () => string | null) => {
      try {
        const fault = work()
        if (fault !== null) settle(Effect.fail(new BadBasebackup({ message: fault })))
        return fault === null
      } catch (error) {
        if (error instanceof BadArchive) settle(Effect.fail(new BadBasebackup({ message: error.message })))
        else settle(notWritten(`${dir}/${extraction.name}`, error, messageOf(error)))
        return false
      }
    }
    // Files are written in a turn of their own, so that zlib's thread has begun with the next bytes.
    const waiting: Array<Buffer> = []
    let ended = false
    let turns = 0
    const turn = () => {
      const bytes = waiting.shift()
      if (gunzip.destroyed || bytes === undefined || !unpacked(() => reader.push(bytes))) return
      if (++turns % COLLECTED === 0) globalThis.gc?.({ type: "minor" })
      if (waiting.length > 0) setImmediate(turn)
      else if (ended) finish()
      else gunzip.resume()
    }
    const finish = () => {
      const finished = unpacked(() => {
        const fault = reader.finish()
        if (fault === null) extraction.finish()
        return fault
      })
      if (finished) settle(Effect.void)
    }
    gunzip.on("data", (bytes: Buffer) => {
      if (waiting.push(bytes) === 1) setImmediate(turn)
      if (waiting.length >= AHEAD) gunzip.pause()
    })
    gunzip.once("end", () => {
      ended = true
      if (waiting.length === 0) finish()
    })
    gunzip.on("error", (error) =>
      settle(Effect.fail(new BadBasebackup({ message: `cannot gunzip the basebackup: ${error.message}` })))
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => extraction.close()))

    const drained = Effect.callback<void>((resume) => {
      const proceed = () => resume(Effect.void)
      gunzip.once("drain", proceed)
      return Effect.sync(() => gunzip.off("drain", proceed))
    })
    const awaitDone = Deferred.await(done)
    return {
      write: (bytes) =>
        Effect.suspend(() => {
          if (gunzip.destroyed) return awaitDone
          return gunzip.write(bytes) ? Effect.void : Effect.raceFirst(drained, awaitDone)
        }),
      end: Effect.suspend(() => {
        if (!gunzip.destroyed) gunzip.end()
        return awaitDone
      }),
      failed: Effect.andThen(awaitDone, Effect.never)
    }
  })

/**
 * Unpacks into `dir`, which keeps only `KEPT` of what it has, and reads to the end of the stream: what the server reports
 * after the archive counts, and counts more than a damage that it explains. Succeeds with the compressed size.
 */
export const unpack = <E, R>(
  dir: string,
  bytes: Stream.Stream<Uint8Array, E, R>,
  owner: Owner | null
): Effect.Effect<number, E | Failure, R> =>
  Effect.gen(function* () {
    yield* clear(dir)
    const extraction = new Extraction(dir, owner, KEPT)
    const pipeline = yield* pipelineInto(dir, extraction)
    let size = 0
    const received = Stream.runForEachArray(bytes, (chunk) =>
      Effect.forEach(
        chunk,
        (piece) => {
          size += piece.length
          // What follows the end of the archive is passed by, but not without an end.
          return size > LIMITS.unpacked
            ? Effect.fail(new BadBasebackup({ message: `the basebackup has more than ${LIMITS.unpacked} bytes` }))
            : pipeline.write(piece)
        },
        { discard: true }
      )
    )
    yield* Effect.raceFirst(received, pipeline.failed)
    yield* pipeline.end
    yield* verified(dir)
    return size
  }).pipe(Effect.scoped, Effect.withSpan("unpack basebackup"))
