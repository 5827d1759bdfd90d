import { assert, describe, it } from "@effect/vitest"
import { bytes, duration } from "../../../src/cli/terminal/duration.ts"
import { harmless } from "../../../src/cli/terminal/harmless.ts"
import { byState, colours, plain } from "../../../src/cli/terminal/Paint.ts"
import { row, sections } from "../../../src/cli/terminal/sections.ts"
import { table, width } from "../../../src/cli/terminal/table.ts"

describe("columns", () => {
  const rows = [
    ["a", colours.good("running"), "x".repeat(60)],
    ["a-longer-name", "failed", "short"]
  ]

  it("are aligned, paint or not, and end without blanks", () => {
    assert.deepStrictEqual(
      table([
        ["a", "b"],
        ["long", ""],
        ["x", colours.bad("y")]
      ]),
      ["a     b", "long", `x     ${colours.bad("y")}`]
    )
  })

  it("have no head without rows", () => {
    assert.deepStrictEqual(table([], null, plain, ["name"]), [])
  })

  it("fit the line: the widest gives way", () => {
    for (const room of [40, 60, 80]) {
      const lines = table(rows, room, colours, ["name", "state", "why"])
      for (const line of lines) assert.isAtMost(width(line), room)
    }
    assert.match(table(rows, 40)[0] ?? "", /x…$/)
    // Nothing is cut where it does not matter.
    assert.include(table(rows)[0], "x".repeat(60))
  })

  it("show nothing that steers a terminal, wherever it comes from, and their own paint", () => {
    const hostile = "a\x1b[2Jb\u202e"
    const screen = sections([{ title: colours.bad("Error"), lines: [hostile, ...row("name", hostile)] }], colours, 60)
    assert.strictEqual(screen, "\x1b[1m\x1b[31mError\x1b[0m\x1b[0m\n  a?[2Jb?\n  name          a?[2Jb?")
    assert.deepStrictEqual(table([[colours.good("x"), hostile]]), [`${colours.good("x")}  a?[2Jb?`])
    assert.strictEqual(harmless("a\x1b[2Jb\rc\x9bd"), "a?[2Jb?c?d")
    assert.strictEqual(harmless("a\u202eb\u2066c\u2028d\te\nf"), "a?b?c?d\te\nf")
  })
})

describe("sections", () => {
  it("are left out when empty, and continue long lines below themselves", () => {
    const text = sections(
      [
        { title: "One", lines: [`name          ${"word ".repeat(20).trim()}`] },
        { title: "Two", lines: [] }
      ],
      plain,
      50
    )
    assert.notInclude(text, "Two")
    const [title, ...lines] = text.split("\n")
    assert.strictEqual(title, "One")
    assert.isAbove(lines.length, 1)
    for (const line of lines) assert.isAtMost(line.length, 50)
    assert.match(lines[1] ?? "", /^ {16}word/)
  })
})

it("durations and sizes are for people", () => {
  assert.deepStrictEqual([0, 45_000, 192_000, 7_500_000, 273_600_000].map(duration), [
    "0 s",
    "45 s",
    "3 min 12 s",
    "2 h 5 min",
    "3 d 4 h"
  ])
  assert.deepStrictEqual([0, 512, 1536, 200 * 2 ** 20].map(bytes), ["0 B", "512 B", "1.5 kB", "200 MB"])
})

it("a state's paint says what it means", () => {
  assert.strictEqual(byState(colours, "running"), colours.good("running"))
  assert.strictEqual(byState(colours, "failed"), colours.bad("failed"))
  assert.strictEqual(byState(colours, "init"), colours.warn("init"))
  assert.strictEqual(byState(plain, "failed"), "failed")
})
