import { assert, describe, it } from "@effect/vitest"
import { parse, render } from "../../../src/domain/storage/SafekeeperList.ts"

describe("the list of safekeepers", () => {
  for (const [text, safekeepers, generation] of [
    ["a:1,b:2", ["a:1", "b:2"], null],
    ["g#0:a:1,b:2", ["a:1", "b:2"], 0],
    ["g#17:a:1", ["a:1"], 17]
  ] as const) {
    it(`is written and read: ${text}`, () => {
      assert.strictEqual(render(safekeepers, generation), text)
      assert.deepStrictEqual(parse(text), {
        safekeepers: [...safekeepers],
        generation: generation === null ? null : String(generation)
      })
    })
  }
})
