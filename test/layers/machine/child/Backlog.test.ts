import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { makeBacklog } from "../../../../src/layers/machine/child/Backlog.ts"

describe("a backlog of lines", () => {
  it.live("wakes its reader once for all that came in one piece", () =>
    Effect.gen(function* () {
      const backlog = makeBacklog()
      const pieces: Array<number> = []
      const reader = yield* Effect.forkChild(
        Stream.runForEachArray(backlog.lines, (lines) => Effect.sync(() => void pieces.push(lines.length)))
      )
      for (const piece of [1000, 1, 500]) {
        yield* Effect.yieldNow
        for (let line = 0; line < piece; line += 1) backlog.offer("line")
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      backlog.end()
      yield* Fiber.join(reader)
      assert.deepStrictEqual(pieces, [1000, 1, 500])
    })
  )
})
