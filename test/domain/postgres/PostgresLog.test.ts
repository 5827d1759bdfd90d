import { assert, describe, it } from "@effect/vitest"
import { renderMessage } from "../../../src/domain/postgres/PostgresLog.ts"
import { growth } from "../../rig/proportion.ts"

describe("PostgresLog", () => {
  it("joins the lines of a message and leaves Postgres' own indentation", () => {
    assert.strictEqual(renderMessage(["LOG:  a", "\tb"]), "PG:LOG:  a\u200b\tb")
  })

  it("escapes what a statement wrote for the terminal", () => {
    assert.strictEqual(renderMessage(["LOG:  \u001b[2J\u009b\r\u2028"]), "PG:LOG:  \\x1b[2J\\x9b\\x0d\\u2028")
  })

  it("takes time in proportion to the message", () => {
    const text = (length: number) => "\t\u001b".repeat(length / 2)
    assert.isBelow(
      growth((line) => renderMessage([line]), text(20_000), text(200_000)),
      40
    )
  })
})
