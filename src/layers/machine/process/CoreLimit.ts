/**
 * Core dumps of Postgres and of every other child: the limit is inherited, so it is lifted for ourselves.
 *
 * Source: `compute_tools/src/bin/compute_ctl.rs` (`rlimit`).
 */
import * as Effect from "effect/Effect"
import { Children } from "../child/Children.ts"

/**
 * A machine that forbids it still gets its compute: without the right to raise the limit only the dump is missing.
 * Node has no call for it; the tool acts on us from outside.
 */
export const removeCoreLimit = Effect.gen(function* () {
  const children = yield* Children
  const result = yield* children.run("/usr/bin/prlimit", {
    args: ["--pid", String(process.pid), "--core=unlimited:unlimited"],
    timeout: "5 seconds"
  })
  if (result.ended._tag === "Exited" && result.ended.code === 0) return
  yield* Effect.logWarning(`core dumps stay limited: ${result.stderr}`)
}).pipe(Effect.catch((error) => Effect.logWarning(`core dumps stay limited: ${error.message}`)))
