/**
 * Core dumps that Postgres left: their backtraces go into the log before the machine goes away.
 *
 * Source: `compute_tools/src/compute.rs` (`check_for_core_dumps`).
 */
import * as Effect from "effect/Effect"
import { Options } from "../../compute/Options.ts"
import { DataDirectory } from "../../postgres/dataDirectory/DataDirectory.ts"
import { Children } from "../child/Children.ts"
import { Places } from "../Places.ts"

/** For each dump and debugger: the memory of a large Postgres is read, and its symbols, perhaps from a slow disk. */
const LIMIT = "10 minutes"

export const reportCoreDumps = Effect.fn("report core dumps")(function* () {
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

  yield* Effect.forEach(yield* directory.coreDumps, show, { discard: true })
})
