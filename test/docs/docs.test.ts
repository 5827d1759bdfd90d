/**
 * The documentation: its references say what the program does, and its links lead somewhere.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { reference } from "../../scripts/reference.ts"

const docs = path.resolve(import.meta.dirname, "../../docs")

const pages = fs
  .readdirSync(docs, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".md") && !/(^|\/)(node_modules|\.vitepress)\//.test(name))

/** As the site resolves them: from its root or from the page, with or without `.md`. */
const resolved = (page: string, link: string): string => {
  const [target = ""] = link.split("#")
  if (target === "") return path.join(docs, page)
  return target.startsWith("/") ? path.join(docs, target) : path.resolve(docs, path.dirname(page), target)
}

describe("the documentation", () => {
  const made = reference()

  for (const [name, text] of Object.entries(made)) {
    it(`has the reference of ${name} as the program has it; npm run docs makes it anew`, () => {
      assert.strictEqual(fs.readFileSync(path.join(docs, "reference", `${name}.md`), "utf8"), text)
    })
  }

  it("links to what is there", () => {
    const broken = pages.flatMap((page) =>
      [...fs.readFileSync(path.join(docs, page), "utf8").matchAll(/\]\((?!https?:)([^)\s]+)\)/g)]
        .map(([, link = ""]) => link)
        .filter((link) => !["", ".md", "/index.md"].some((end) => fs.existsSync(resolved(page, link) + end)))
        .map((link) => `${page}: ${link}`)
    )
    assert.deepStrictEqual(broken, [])
    assert.isAbove(pages.length, 30)
  })
})
