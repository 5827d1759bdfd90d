import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { clipped, OutputLost, ReaderLeft, untilReaderLeaves, whatFailed } from "../../src/cli/output.ts"

it("a screen that is painted again has no more lines than the terminal", () => {
  const lines = (count: number) => Array.from({ length: count }, (_, at) => `${at}`).join("\n")
  expect(clipped(lines(23), 24)).toBe(lines(23))
  expect(clipped(lines(24), 24).split("\n")).toHaveLength(23)
  expect(clipped(lines(30), 24).split("\n").at(-1)).toBe("… 8 lines more")
  expect(clipped(lines(30), null)).toBe(lines(30))
})

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
