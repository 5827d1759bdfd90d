/**
 * The name that `ps`, `pgrep` and `top` show. The runtime names its main thread after itself; `process.title` would put the
 * name in the place of the arguments, which tell whose process it is.
 */
import { writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"

const NAME = "compute_ctl"

/** Where there is no such file, the name stays as it is. */
export const nameProcess: Effect.Effect<void> = Effect.ignore(Effect.try(() => writeFileSync("/proc/self/comm", NAME)))
