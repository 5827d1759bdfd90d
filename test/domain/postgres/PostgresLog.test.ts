import { assert, describe, it } from "@effect/vitest"
import { renderMessage } from "../../../src/domain/postgres/PostgresLog.ts"

describe("PostgresLog", () => {
  it("joins the lines of a message and leaves Postgres' own indentation", () => {
    assert.strictEqual(renderMessage(["LOG:  a", "\tb"]), "PG:LOG:  a\u200b\tb")
  })

  it("escapes what a statement wrote for the terminal", () => {
    assert.strictEqual(renderMessage(["LOG:  \u001b[2J\u009b\r\u2028"]), "PG:LOG:  \\x1b[2J\\x9b\\x0d\\u2028")
  })

  it("takes time in proportion to the message", () => {
    const cost = (length: number) => {
      const text = "\t\u001b".repeat(length / 2)
      const begin = process.cpuUsage()
      for (let round = 0; round < 20; round++) renderMessage([text])
      return process.cpuUsage(begin).user
    }
    const best = (length: number) => Math.min(...Array.from({ length: 5 }, () => cost(length)))
    best(20_000)
    assert.isBelow(best(200_000) / best(20_000), 40)
  })
})
