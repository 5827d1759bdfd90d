import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { conf, dollar, ident, literal } from "../../../src/domain/postgres/Quote.ts"

describe("Quote", () => {
  it("writes SQL literals, escaped ones with E", () => {
    assert.strictEqual(literal("a'b"), "'a''b'")
    assert.strictEqual(literal("a\\'b"), "E'a\\\\''b'")
    assert.strictEqual(literal(""), "''")
  })

  it("writes configuration values without E and without line breaks", () => {
    assert.strictEqual(conf("it's %m \\ x"), "'it''s %m \\\\ x'")
    assert.strictEqual(conf(`it's a \\ "x"`), `'it''s a \\\\ "x"'`)
    assert.strictEqual(conf("a\nb\r"), "'a\\nb\\r'")
  })

  it("writes identifiers", () => {
    assert.strictEqual(ident('we"ird'), '"we""ird"')
  })

  it("grows the dollar tag past the text", () => {
    assert.deepStrictEqual(dollar("x$"), { quoted: "$xx$x$$xx$", outerTag: "xxx" })
    assert.deepStrictEqual(dollar(""), { quoted: "$x$$x$", outerTag: "xx" })
  })

  it("survives a round through the reader of the same syntax", () => {
    const readConf = (quoted: string) =>
      quoted
        .slice(1, -1)
        .replaceAll(/''|\\(.)/gs, (whole, escaped?: string) =>
          whole === "''" ? "'" : escaped === "n" ? "\n" : escaped === "r" ? "\r" : (escaped ?? "")
        )
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("'", "\\", "\n", "\r", "n", "r", '"', "x", "$") }), (text) => {
        assert.notMatch(conf(text), /[\n\r]/)
        assert.strictEqual(readConf(conf(text)), text)
        assert.strictEqual(readConf(literal(text).replace(/^E/, "")), text)
        const { quoted, outerTag } = dollar(text)
        const tag = quoted.slice(0, quoted.indexOf("$", 1) + 1)
        assert.notInclude(text, tag)
        assert.notInclude(quoted, `$${outerTag}$`)
      })
    )
  })
})
