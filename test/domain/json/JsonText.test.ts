import { assert, describe, it } from "@effect/vitest"
import { textSteps } from "../../../src/domain/json/JsonText.ts"
import { run } from "../../../src/domain/json/Steps.ts"

const many = <A>(count: number, one: (index: number) => A) => Array.from({ length: count }, (_, index) => one(index))
const text = (value: unknown) => run(textSteps(value)).join("")

describe("a value as text", () => {
  it("is the same in steps as in one go", () => {
    for (const value of [
      null,
      "a",
      [],
      {},
      { a: undefined, b: [undefined, null, 1.5, true], "\n": { c: '\u2028"' } },
      many(3000, (index) => ({
        name: `role ${index}`,
        sql: 'CREATE "\ud83d\ude00"',
        none: undefined,
        list: [index, []]
      })),
      { first: many(2000, (index) => index), none: undefined, last: Object.fromEntries(many(2000, (at) => [at, "x"])) },
      [many(1500, () => undefined), "x".repeat(100_000), many(700, (index) => [`${index}`])]
    ]) {
      assert.strictEqual(text(value), JSON.stringify(value))
    }
  })

  it("is made in many short steps and moderate pieces when it is long", () => {
    const value = { phases: [{ steps: many(100_000, (index) => ({ object: `role ${index}`, sql: "x".repeat(200) })) }] }
    const steps = textSteps(value)
    let count = 0
    let last = steps.next()
    for (; last.done !== true; last = steps.next()) count += 1
    assert.isAbove(count, 20)
    for (const piece of last.value) assert.isBelow(piece.length, 300_000)
  })
})
