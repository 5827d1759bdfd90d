import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { clipped, OutputLost, ReaderLeft, untilReaderLeaves, whatFailed } from "../../src/cli/output.ts"

it("a screen that is painted again has no more lines than the terminal", () => {
  const lines = (count: number) => Array.from({ length: count }, (_, at) => `${at}`).join("\n")
  assert.strictEqual(clipped(lines(23), 24), lines(23))
  assert.lengthOf(clipped(lines(24), 24).split("\n"), 23)
  assert.strictEqual(clipped(lines(30), 24).split("\n").at(-1), "… 8 lines more")
  assert.strictEqual(clipped(lines(30), null), lines(30))
})

it("a reader that has left is no error, and a full disk is one", () => {
  assert.instanceOf(whatFailed({ code: "EPIPE", message: "EPIPE: broken pipe, write" }), ReaderLeft)
  assert.instanceOf(whatFailed({ code: "ENOSPC", message: "ENOSPC: no space left on device, write" }), OutputLost)
})

it.effect("the exit code tells whether the result has arrived", () =>
  Effect.gen(function* () {
    const codeAfter = (code: string) => untilReaderLeaves(Effect.die(whatFailed({ code, message: code })))
    assert.strictEqual(yield* codeAfter("EPIPE"), 0)
    assert.strictEqual(yield* codeAfter("ENOSPC"), 1)
  })
)
