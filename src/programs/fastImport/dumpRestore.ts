/**
 * `dump-restore`: from one running server into another.
 *
 * Source: `compute_tools/src/bin/fast_import.rs` (`cmd_dumprestore`).
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ImportSpec } from "../../domain/fastImport/ImportSpec.ts"
import { JobFailed } from "../../domain/fastImport/JobFailed.ts"
import { transfer } from "../../layers/fastImport/dump/transfer.ts"
import { ImportOptions, type JobCommand } from "../../layers/fastImport/ImportOptions.ts"
import type { Storage } from "../../layers/fastImport/storage/Storage.ts"
import { prepare } from "../../layers/fastImport/WorkingDirectory.ts"

type DumpRestore = Extract<JobCommand, { readonly name: "dump-restore" }>

/** The original panics where there is neither a spec nor a source. */
const PANIC = 101

const decrypted = Effect.fnUntraced(function* (storage: Storage, { destination, keyId, source }: ImportSpec) {
  const from = yield* storage.decrypt("decrypt source connection string", keyId, source)
  if (destination === null) {
    return yield* new JobFailed({
      message: "destination connection string must be provided in spec for dump_restore command"
    })
  }
  return { from, to: yield* storage.decrypt("decrypt destination connection string", keyId, destination) }
})

/** A spec stands before the command line, which is then not looked at. */
const given = Effect.fnUntraced(function* ({ destination, source }: DumpRestore) {
  const missing = (which: string, exit?: number) =>
    new JobFailed({
      message: `${which} connection string must be provided for dump_restore command`,
      ...(exit !== undefined && { exit })
    })
  if (source === null) return yield* missing("source", PANIC)
  return destination === null ? yield* missing("destination") : { from: source, to: destination }
})

export const dumpRestore = Effect.fnUntraced(function* (
  command: DumpRestore,
  storage: Storage | null,
  spec: ImportSpec | null
) {
  const { workdir } = yield* ImportOptions
  yield* prepare(workdir)
  const { from, to } = yield* storage === null || spec === null ? given(command) : decrypted(storage, spec)
  yield* transfer(Redacted.value(from), Redacted.value(to))
})
