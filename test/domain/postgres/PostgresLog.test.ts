import { assert, describe, it } from "@effect/vitest"
import { renderMessage, tellsProgress } from "../../../src/domain/postgres/PostgresLog.ts"
import { growth } from "../../rig/proportion.ts"

describe("PostgresLog", () => {
  it("joins the lines of a message and leaves Postgres' own indentation", () => {
    assert.strictEqual(renderMessage(["LOG:  a", "\tb"]), "PG:LOG:  a\u200b\tb")
  })

  it("knows what a recovery says when it gets on", () => {
    const said = (text: string) => tellsProgress(renderMessage([`2026-01-02 03:04:05.678 UTC [12] ${text}`]))
    assert.isTrue(said("LOG:  redo in progress, elapsed time: 10.00 s, current LSN: 0/1"))
    assert.isTrue(said("LOG:  consistent recovery state reached at 0/1"))
    assert.isFalse(said("LOG:  waiting for WAL to become available at 0/1"))
    assert.isFalse(said("FATAL:  the database system is starting up"))
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
