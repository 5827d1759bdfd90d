/**
 * What others notice of something: how long a probe waits beside it.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Compute } from "./compute.ts"

/** Milliseconds that no probe may wait beside what is hostile: far more than a busy machine costs, far less than a fault did. */
export const PROMPT = 5000

/** Milliseconds after which it does not matter any more what a probe waited for. */
const PATIENCE = 30_000

/**
 * Milliseconds of a processor that a process has used; null where nobody tells. It is what a probe waits for when the
 * program is at something else, and does not grow with what else a machine does.
 */
const worked = (pid: number): number | null => {
  try {
    const fields = fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? []
    return (Number(fields[11]) + Number(fields[12])) * 10
  } catch {
    return null
  }
}

export interface Waited<A> {
  readonly value: A
  /** Of the probes that were sent while it ran, milliseconds: by the clock or by the program's own, whichever is less. */
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
      const [before, own] = [performance.now(), worked(compute.pid)]
      const { status } = yield* compute.http({ path, limit: 60_000 })
      if (status !== 200) return yield* Effect.die(new Error(`${path} was answered with ${status}`))
      const [took, after] = [performance.now() - before, worked(compute.pid)]
      const work = own === null || after === null || took > PATIENCE ? took : after - own
      longest = Math.max(longest, Math.min(took, work))
      probes += 1
      yield* Effect.sleep(5)
    } while (running.pollUnsafe() === null)
    const waited: Waited<A> = { value: yield* Fiber.join(running), longest, probes }
    return waited
  })
