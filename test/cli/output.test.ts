import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { OutputLost, ReaderLeft, untilReaderLeaves, whatFailed } from "../../src/cli/output.ts"

it("a reader that has left is no error, and a full disk is one", () => {
  expect(whatFailed({ code: "EPIPE", message: "EPIPE: broken pipe, write" })).toBeInstanceOf(ReaderLeft)
  expect(whatFailed({ code: "ENOSPC", message: "ENOSPC: no space left on device, write" })).toBeInstanceOf(OutputLost)
})

it.effect("the exit code tells whether the result has arrived", () =>
  Effect.gen(function* () {
    const codeAfter = (code: string) => untilReaderLeaves(Effect.die(whatFailed({ code, message: code })))
    expect(yield* codeAfter("EPIPE")).toBe(0)
    expect(yield* codeAfter("ENOSPC")).toBe(1)
  })
)
