import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parseAction, parseList } from "../../../src/domain/observe/Failpoints.ts"

describe("failpoints", () => {
  it("have actions in the words of the original's tests", () => {
    const action = (text: string) => Result.getOrElse(parseAction(text), (message) => message)
    assert.deepStrictEqual(action("return(3)"), { _tag: "Return", value: "3" })
    assert.deepStrictEqual(action(" return "), { _tag: "Return", value: "" })
    assert.deepStrictEqual(action("sleep(100)"), { _tag: "Sleep", millis: 100 })
    assert.deepStrictEqual(action("pause"), { _tag: "Pause" })
    assert.deepStrictEqual(action("exit"), { _tag: "Exit" })
    assert.isNull(action("off"))
    assert.strictEqual(action("sleep(soon)"), "not a number of milliseconds: sleep(soon)")
    assert.strictEqual(action("dance"), "not an action: dance")
  })

  it("are listed with semicolons", () => {
    assert.deepStrictEqual(parseList("compute-migration=return(3); x = off;;y"), [
      ["compute-migration", "return(3)"],
      ["x", " off"],
      ["y", ""]
    ])
  })
})
