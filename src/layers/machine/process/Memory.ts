/**
 * Memory that nobody uses goes back to the system when there is little to do.
 *
 * V8's threads take theirs from the C library, in bursts and in small pieces, and the library keeps what was freed between
 * pieces that are in use: after a start, an apply or a flood of requests that is a fifth of all. `malloc_trim` finds the whole
 * pages in it within a millisecond or two.
 *
 * Source: malloc_trim(3) of glibc. Other libraries have none, and what they keep stays with them.
 */
import { performance } from "node:perf_hooks"
import { isSea } from "node:sea"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ComputeState } from "../../compute/ComputeState.ts"

export interface Memory {
  /** Bytes that are in the machine's memory. */
  readonly resident: () => number
  /** Which share of the time since it was last asked the event loop was at work. */
  readonly busy: () => number
  /** Fails where it cannot be done. */
  readonly trim: Effect.Effect<void, unknown>
}

const PERIOD = "2 seconds"
/** Bytes by which the process has grown since the last time. */
const WORTH = 4 * 1024 * 1024
const BUSY = 0.2

/** Looks, and gives back, until it cannot. A compute without a spec keeps what its start will need. */
export const giveBack = ({ busy, resident, trim }: Memory) =>
  Effect.gen(function* () {
    const state = yield* ComputeState
    let least = 0
    const look = Effect.gen(function* () {
      if (busy() > BUSY || (yield* state.get).status === "empty") return
      const now = resident()
      least = Math.min(least, now)
      if (now - least < WORTH) return
      yield* trim
      least = resident()
      yield* Effect.logDebug(`memory went back to the system: ${Math.round((now - least) / 1024)} KB`)
    })
    return yield* Effect.forever(Effect.andThen(Effect.sleep(PERIOD), look))
  }).pipe(Effect.catchCause((cause) => Effect.logDebug("memory cannot be given back to the system", cause)))

/** Of the executable alone: the runtime's calls into libraries are an experiment, of which any other run would warn. */
export const layerMemory: Layer.Layer<never, never, ComputeState> = Layer.effectDiscard(
  Effect.suspend(() => (isSea() ? Effect.forkScoped(giveBack(thisProcess())) : Effect.void))
)

const thisProcess = (): Memory => {
  let last = performance.eventLoopUtilization()
  let trim: (() => void) | undefined
  return {
    resident: () => process.memoryUsage.rss(),
    busy: () => {
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, last)
      last = now
      return utilization
    },
    trim: Effect.try(() => {
      trim ??= trimmer()
      trim()
    })
  }
}

const trimmer = () => {
  const { dlopen } = process.getBuiltinModule("node:ffi")
  const { functions } = dlopen(null, { malloc_trim: { arguments: ["u64"], return: "i32" } })
  return () => void functions.malloc_trim(0n)
}
