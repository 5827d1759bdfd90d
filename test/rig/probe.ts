/**
 * What others notice of something: how long a probe waits beside it.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Compute } from "./compute.ts"

/** Milliseconds that no probe may wait beside what is hostile: far more than a busy machine costs, far less than a fault did. */
export const PROMPT = 5000

export interface Waited<A> {
  readonly value: A
  /** Of the probes that were sent while it ran, milliseconds. */
  readonly longest: number
  readonly probes: number
}

/** Sends one probe after the other as long as `effect` takes; each must be answered. */
export const beside = <A, E, R>(compute: Compute, effect: Effect.Effect<A, E, R>, path = "/livez") =>
  Effect.gen(function* () {
    let longest = 0
    let probes = 0
    const running = yield* Effect.forkChild(effect)
    do {
      const before = performance.now()
      const { status } = yield* compute.http({ path, limit: 60_000 })
      if (status !== 200) return yield* Effect.die(new Error(`${path} was answered with ${status}`))
      longest = Math.max(longest, performance.now() - before)
      probes += 1
      yield* Effect.sleep(5)
    } while (running.pollUnsafe() === null)
    const waited: Waited<A> = { value: yield* Fiber.join(running), longest, probes }
    return waited
  })
