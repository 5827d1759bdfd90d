/**
 * From one server into another without a copy on disk in between: `pg_dump` writes an archive, `pg_restore` reads it. What is
 * restored is chosen by the list of that very archive, which stands before the data.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import type { Readable, Writable } from "node:stream"
import { pipeline } from "node:stream/promises"
import * as Effect from "effect/Effect"
import { dumpArchive, restoreArchive } from "../../../domain/fastImport/commandLines.ts"
import { failing, type JobFailed } from "../../../domain/fastImport/JobFailed.ts"
import type { Programs } from "../Programs.ts"
import type { Connection } from "./connection.ts"
import { type Contents, contentsOf } from "./contents.ts"
import { begin, leavesEventTriggers } from "./program.ts"

/** Bytes of the archive after which its list is tried for the first time; it grows with the number of objects. */
const FIRST = 64 * 1024

const broken = failing("pg_dump failed")

/** Its next bytes; null at the end. */
const next = (archive: AsyncIterator<Buffer>) =>
  Effect.map(Effect.tryPromise({ try: () => archive.next(), catch: broken }), ({ done, value }) =>
    done === true ? null : value
  )

interface Head {
  readonly contents: Contents
  readonly file: string
}

/**
 * Reads as much as holds the whole list. A shorter piece is refused by the program that lists it; when there is no more, the
 * dump has `ended`, whose own words say why. What fails before is told at once: nobody reads on, and the dump would wait for ever.
 */
const headOf = (
  archive: AsyncIterator<Buffer>,
  folder: string,
  ended: Effect.Effect<void, JobFailed>
): Effect.Effect<Head, JobFailed, Programs> =>
  Effect.gen(function* () {
    const file = path.join(folder, "head")
    const unwritten = (cause: unknown) => broken(failing(`cannot write ${file}`)(cause))
    let size = 0
    for (let most = FIRST; ; most *= 2) {
      let bytes: Buffer | null = Buffer.alloc(0)
      while (size < most) {
        bytes = yield* next(archive)
        if (bytes === null) break
        const piece = bytes
        yield* Effect.try({ try: () => fs.appendFileSync(file, piece), catch: unwritten })
        size += piece.length
      }
      const contents = contentsOf(file, folder)
      if (bytes === null) {
        const whole = Effect.catch(contents, (error) => Effect.andThen(ended, Effect.fail(error)))
        return { file, contents: yield* whole }
      }
      const found = yield* Effect.option(contents)
      if (found._tag === "Some") return { file, contents: found.value }
    }
  })

/** From its beginning, of which a part has been read. */
async function* whole(head: string, archive: AsyncIterator<Buffer>) {
  yield* fs.createReadStream(head)
  fs.rmSync(head)
  for (let piece = await archive.next(); piece.done !== true; piece = await archive.next()) yield piece.value
}

/** What the reader does not want any more is read all the same, so that the writer gets to its end. */
const carry = (from: Readable, archive: AsyncIterator<Buffer>, head: string, to: Writable) =>
  Effect.tryPromise({
    try: async (signal) => {
      let lost: { readonly cause: unknown } | null = null
      const source = async function* () {
        try {
          yield* whole(head, archive)
        } catch (cause) {
          lost = { cause }
        }
      }
      try {
        await pipeline(source(), to, { end: false, signal })
      } catch {
        await archive.return?.()
        from.resume()
      }
      if (lost !== null) throw new Error("the dump could not be read", lost)
    },
    catch: broken
  })

export const atOnce = Effect.fnUntraced(function* (from: Connection, to: Connection, folder: string) {
  yield* Effect.logInfo("dump and restore at once")
  const dumpLeaves = yield* leavesEventTriggers("dump")
  const restoreLeaves = yield* leavesEventTriggers("restore")
  const dumping = yield* begin({
    ...{ phase: "dump", folder, env: from.env, tables: null, isSerial: true, raw: "stdout" },
    args: dumpArchive(from.connstr, dumpLeaves)
  })
  const output = dumping.raw.stdout
  if (output === null) return yield* Effect.die(new Error("pg_dump has no output"))
  const archive = output.iterator({ destroyOnReturn: false })
  const head = yield* headOf(archive, folder, dumping.done)
  const restoring = yield* begin({
    ...{ phase: "restore", folder, env: to.env, tables: head.contents.tables, isSerial: true, raw: "stdin" },
    args: restoreArchive(to.connstr, restoreLeaves, restoreLeaves ? null : head.contents.list)
  })
  const input = restoring.raw.stdin
  if (input === null) return yield* Effect.die(new Error("pg_restore has no input"))
  // It learns of the end only when the dump is known to be whole.
  const feeding = Effect.gen(function* () {
    yield* carry(output, archive, head.file, input)
    yield* dumping.done
    yield* Effect.sync(() => input.end())
  })
  yield* Effect.all([feeding, restoring.done], { concurrency: "unbounded", discard: true })
})
