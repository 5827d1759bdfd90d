import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { beside } from "../rig/probe.ts"

const LIMIT = 120_000

const empty = (args: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null, args })
    yield* compute.waitFor("empty")
    return compute
  })

/** Each was once read anew from each of its places, or could be. */
const UNITS = ["eyJ-", "eyJaaaaa-", "eyJaaaaaa.", "a://", "a.b+", "token=", "password='\\", "Bearer-", "/", ".", "%"]
const BYTES = 60_000

describe("what a client writes into the log", () => {
  for (const format of ["text", "json"]) {
    it.scopedLive(
      `costs no more than its length, is cut and has no control bytes (${format})`,
      () =>
        Effect.gen(function* () {
          const compute = yield* empty(["--log-format", format])
          const { longest } = yield* beside(
            compute,
            Effect.forEach(UNITS, (unit) =>
              Effect.gen(function* () {
                const text = unit.repeat(BYTES / unit.length)
                const answer = yield* compute.http({ path: "/nope", token: null, headers: { "x-request-id": text } })
                assert.strictEqual(answer.headers["x-request-id"], text, "what is echoed stays whole")
                yield* compute.http({ path: `/${text}?${text.slice(0, 100)}`, token: null })
              })
            )
          )
          assert.isBelow(longest, 1000)

          const hostile = "id-\u0080\u0085\u009b31m\u009f\t."
          yield* compute.http({ path: "/nope", token: null, headers: { "x-request-id": `${hostile}end` } })
          yield* compute.waitForLog("end")
          const log = compute.log()
          // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
          assert.notMatch(log, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/)
          for (const line of log.split("\n")) assert.isBelow(Buffer.byteLength(line), 2 * 4096 + 500)
        }),
      LIMIT
    )
  }
})
