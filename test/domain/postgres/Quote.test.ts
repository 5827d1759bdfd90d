import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { conf, dollar, ident, literal } from "../../../src/domain/postgres/Quote.ts"

describe("Quote", () => {
  it("writes SQL literals, escaped ones with E", () => {
    expect(literal("a'b")).toBe("'a''b'")
    expect(literal("a\\'b")).toBe("E'a\\\\''b'")
    expect(literal("")).toBe("''")
  })

  it("writes configuration values without E and without line breaks", () => {
    expect(conf("it's %m \\ x")).toBe("'it''s %m \\\\ x'")
    expect(conf(`it's a \\ "x"`)).toBe(`'it''s a \\\\ "x"'`)
    expect(conf("a\nb\r")).toBe("'a\\nb\\r'")
  })

  it("writes identifiers", () => {
    expect(ident('we"ird')).toBe('"we""ird"')
  })

  it("grows the dollar tag past the text", () => {
    expect(dollar("x$")).toEqual({ quoted: "$xx$x$$xx$", outerTag: "xxx" })
    expect(dollar("")).toEqual({ quoted: "$x$$x$", outerTag: "xx" })
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
        expect(conf(text)).not.toMatch(/[\n\r]/)
        expect(readConf(conf(text))).toBe(text)
        expect(readConf(literal(text).replace(/^E/, ""))).toBe(text)
        const { quoted, outerTag } = dollar(text)
        const tag = quoted.slice(0, quoted.indexOf("$", 1) + 1)
        expect(text).not.toContain(tag)
        expect(quoted).not.toContain(`$${outerTag}$`)
      })
    )
  })
})
