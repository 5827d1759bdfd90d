/**
 * File descriptors of this process: how many there may be, and what is done when they run out.
 *
 * An accept without a free descriptor ends the client's connection without a word, to us either: the event loop takes it with
 * a descriptor that it keeps for that and closes it at once. So the shortage is looked for, and a few descriptors are kept
 * that are given back in it: probes are then still answered.
 */
import { closeSync, openSync, readFileSync } from "node:fs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { descriptorShortages } from "../../../domain/observe/MetricFamilies.ts"
import { Metrics } from "../../observe/Metrics.ts"

export interface DescriptorsShape {
  /** Whether a descriptor of this number is one of the last. */
  readonly last: (descriptor: number) => boolean
  /** Calls `release` whenever there are hardly any left, for as long as the scope is open. */
  readonly whenShort: (release: () => void) => Effect.Effect<void, never, Scope.Scope>
}

const none: DescriptorsShape = { last: () => false, whenShort: () => Effect.void }

/** Given back to the process when it has no other. */
const SPARE = 8
const INTERVAL = "1 second"

/** How many of the last descriptors are for what is not a connection. */
const marginOf = (limit: number): number => Math.min(64, Math.max(2 * SPARE, Math.floor(limit / 8)))

/** Infinity where the system does not tell. */
const limitOf = (limits: string): number => {
  const found = /^Max open files\s+(\d+)/m.exec(limits)
  return found === null ? Number.POSITIVE_INFINITY : Number(found[1])
}

/** The lowest free descriptor; null when there is none. */
const lowest = (): number | null => {
  try {
    const descriptor = openSync("/dev/null", "r")
    closeSync(descriptor)
    return descriptor
  } catch {
    return null
  }
}

const spares = () => {
  const kept: Array<number> = []
  return {
    keep: () => {
      try {
        while (kept.length < SPARE) kept.push(openSync("/dev/null", "r"))
      } catch {
        // The next look finds the shortage.
      }
    },
    giveBack: () => {
      for (const descriptor of kept.splice(0)) closeSync(descriptor)
    }
  }
}

export const Descriptors = Context.Reference<DescriptorsShape>("compute/Descriptors", { defaultValue: () => none })

export const layerDescriptors: Layer.Layer<never, never, Metrics> = Layer.effect(
  Descriptors,
  Effect.suspend(() => make)
)

const readLimit = Effect.try(() => limitOf(readFileSync("/proc/self/limits", "latin1"))).pipe(
  Effect.orElseSucceed(() => Number.POSITIVE_INFINITY)
)

const make = Effect.gen(function* () {
  const limit = yield* readLimit
  if (limit === Number.POSITIVE_INFINITY) return none
  const metrics = yield* Metrics
  const margin = marginOf(limit)
  const releases = new Set<() => void>()
  const { giveBack, keep } = spares()
  let short = false

  const look = Effect.suspend(() => {
    const free = lowest()
    if (free === null) giveBack()
    if (free === null || free >= limit - margin) {
      for (const release of releases) release()
      if (short) return Effect.void
      short = true
      return Effect.andThen(
        metrics.increment(descriptorShortages),
        Effect.logError(`file descriptors run out: nearly all of ${limit} are open; idle HTTP connections are closed`)
      )
    }
    keep()
    // Connections end where the margin begins: that is not yet enough.
    if (!short || free >= limit - 2 * margin) return Effect.void
    short = false
    return Effect.logInfo("there are enough file descriptors again")
  })
  yield* Effect.addFinalizer(() => Effect.sync(giveBack))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(INTERVAL), look)))
  const descriptors: DescriptorsShape = {
    last: (descriptor) => descriptor >= limit - margin,
    whenShort: (release) =>
      Effect.acquireRelease(
        Effect.sync(() => releases.add(release)),
        () => Effect.sync(() => releases.delete(release))
      )
  }
  return descriptors
})
