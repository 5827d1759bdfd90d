/**
 * Core dumps of Postgres and of every other child: the limit is inherited, so it is lifted for ourselves.
 *
 * Source: `compute_tools/src/bin/compute_ctl.rs` (`rlimit`).
 */
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { Children } from "../child/Children.ts"

/** Whether there is no limit, by the text of `/proc/self/limits`: `Max core file size` with a soft and a hard one, in bytes. */
export const isLifted = (limits: string): boolean => /^Max core file size\s+unlimited\s+unlimited\s/m.test(limits)

/** False where the system does not tell. */
const alreadyLifted = Effect.try(() => isLifted(readFileSync("/proc/self/limits", "latin1"))).pipe(
  Effect.orElseSucceed(() => false)
)

/**
 * A machine that forbids it still gets its compute: without the right to raise the limit only the dump is missing.
 * Node has no call for it; the tool acts on us from outside.
 */
export const removeCoreLimit = Effect.gen(function* () {
  if (yield* alreadyLifted) return
  const children = yield* Children
  const result = yield* children.run("/usr/bin/prlimit", {
    args: ["--pid", String(process.pid), "--core=unlimited:unlimited"],
    timeout: "5 seconds"
  })
  if (result.ended._tag === "Exited" && result.ended.code === 0) return
  yield* Effect.logWarning(`core dumps stay limited: ${result.stderr}`)
}).pipe(Effect.catch((error) => Effect.logWarning(`core dumps stay limited: ${error.message}`)))
