/**
 * Core dumps that Postgres left: their backtraces go into the log before the machine goes away.
 *
 * Source: `compute_tools/src/compute.rs` (`check_for_core_dumps`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Options } from "../../compute/Options.ts"
import { DataDirectory } from "../../postgres/dataDirectory/DataDirectory.ts"
import { Children } from "../child/Children.ts"
import { Places } from "../Places.ts"

export class CoreDumps extends Context.Service<CoreDumps, { readonly report: Effect.Effect<void> }>()(
  "compute/CoreDumps"
) {
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => make)
  )
}

/** For each dump and debugger: the memory of a large Postgres is read, and its symbols, perhaps from a slow disk. */
const LIMIT = "10 minutes"

const make = Effect.gen(function* () {
  const children = yield* Children
  const { gdb, lldb } = yield* Places
  const directory = yield* DataDirectory
  const { pgbin } = yield* Options

  const backtrace = (core: string) => {
    const byGdb = children.run(gdb, { args: ["--batch", "-q", "-ex", "bt", pgbin, core], timeout: LIMIT })
    const byLldb = children.run(lldb, {
      args: ["-c", core, "--batch", "-o", "bt all", "-o", "quit"],
      timeout: LIMIT
    })
    // What a gdb says that fails is worth more than that there is no lldb.
    return Effect.catchTag(byGdb, "SpawnFailed", () =>
      Effect.andThen(Effect.logWarning("cannot find gdb, trying lldb"), byLldb)
    )
  }

  const show = (core: string) =>
    Effect.gen(function* () {
      yield* Effect.logWarning(`core dump found: ${core}, collecting backtrace`)
      const { stdout, stderr } = yield* backtrace(core)
      yield* Effect.logWarning(`core dump backtrace: ${stdout}`)
      yield* Effect.logWarning(`debugger stderr: ${stderr}`)
    }).pipe(Effect.catch((error) => Effect.logWarning(`no backtrace of ${core}: ${error.message}`)))

  return CoreDumps.of({
    report: Effect.flatMap(directory.coreDumps, (cores) => Effect.forEach(cores, show, { discard: true })).pipe(
      Effect.withSpan("report core dumps")
    )
  })
})
