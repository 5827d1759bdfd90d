/**
 * Fuzzers of what peers send. `FUZZ_SECONDS`: how long each runs, a few seconds by default; `FUZZ_SEED`: where it begins,
 * always at the same place by default. A failure prints the seed and the smallest input that was found.
 */
import { assert } from "@effect/vitest"
import * as fc from "fast-check"
import { descriptors, isKnown, memory } from "./resources.ts"

const given = (name: string): number | null => {
  const value = process.env[name]
  return value === undefined || !/^-?\d+$/.test(value) ? null : Number(value)
}

/** Milliseconds of each fuzzer. */
export const duration = (given("FUZZ_SECONDS") ?? 2) * 1000
const seed = given("FUZZ_SEED") ?? 20_250_101

/** For the runner: the fuzzer itself, and shrinking what it found. */
export const limit = duration + 300_000

/** MiB that may stay when all inputs have been tried. */
const MOST_GROWTH = 500

/** Bytes as a peer might send them: at random, or sound ones with a few of them changed, left out, repeated or cut off. */
export const mutated = (sound: ReadonlyArray<Uint8Array>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      fc.constantFrom(...sound),
      fc.array(
        fc.record({
          kind: fc.constantFrom("set", "drop", "repeat", "insert", "cut"),
          at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
          length: fc.integer({ min: 1, max: 600 }),
          bytes: fc.uint8Array({ minLength: 1, maxLength: 16 })
        }),
        { maxLength: 6 }
      )
    )
    .map(([from, changes]) =>
      changes.reduce((bytes, { at, bytes: inserted, kind, length }) => {
        const start = Math.floor(at * bytes.length)
        const end = Math.min(start + length, bytes.length)
        const [before, part, after] = [bytes.subarray(0, start), bytes.subarray(start, end), bytes.subarray(end)]
        switch (kind) {
          case "set":
            return Buffer.concat([before, inserted, bytes.subarray(Math.min(start + inserted.length, bytes.length))])
          case "drop":
            return Buffer.concat([before, after])
          case "repeat":
            return Buffer.concat([before, part, part, after])
          case "insert":
            return Buffer.concat([before, inserted, part, after])
          default:
            return Buffer.from(before)
        }
      }, Buffer.from(from))
    )

/** Pieces as a network might cut them. */
export const divided = (bytes: Buffer, sizes: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
  const pieces: Array<Buffer> = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = Math.max(1, sizes[turn % Math.max(sizes.length, 1)] ?? bytes.length)
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return pieces
}

export interface FuzzOptions {
  /** Milliseconds for one input. */
  readonly hang?: number
  /** Whose memory and descriptors are looked at: this process's, or the program's. */
  readonly pid?: number
  /** MiB that may stay. */
  readonly growth?: number
}

/** What was opened for the last input may still be on its way out. */
const SETTLE_MS = 60_000

/**
 * Tries inputs for as long as `FUZZ_SECONDS` says. `check` fails by a throw; it must come to its end within `hang`
 * milliseconds. Descriptors and memory have to be back where they were.
 */
export const fuzz = async <A>(
  inputs: fc.Arbitrary<A>,
  check: (input: A) => void | Promise<void>,
  { growth = MOST_GROWTH, hang = 60_000, pid = process.pid }: FuzzOptions = {}
): Promise<void> => {
  const before = { descriptors: descriptors(pid), memory: memory(pid) }
  /** The runner does not wait for an input that is being tried when its time is over. */
  let last: Promise<void> = Promise.resolve()
  const bounded = async (input: A) => {
    const began = performance.now()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no end within ${hang} ms`)), hang)
    })
    try {
      await Promise.race([check(input), late])
    } finally {
      clearTimeout(timer)
    }
    assert.isBelow(performance.now() - began, hang)
  }
  let tried: A | undefined
  const tracked = (input: A) => {
    tried = input
    last = bounded(input)
    return last
  }
  const report = await fc.check(fc.asyncProperty(inputs, tracked), {
    seed,
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: duration,
    markInterruptAsFailure: false
  })
  // An end before the first input has been tried is none.
  if (report.counterexample !== null) {
    throw new Error(fc.defaultReportMessage(report), { cause: report.errorInstance })
  }
  await last.catch((cause: unknown) => {
    throw new Error(`the last input failed, seed ${seed}: ${fc.stringify(tried)}`, { cause })
  })
  if (!isKnown) return
  const until = performance.now() + SETTLE_MS
  const most = before.descriptors.length + 5
  while (descriptors(pid).length > most && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  globalThis.gc?.()
  const after = descriptors(pid)
  if (after.length > most) assert.deepStrictEqual(after, before.descriptors)
  assert.isBelow(memory(pid) - before.memory, growth)
}
