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

/** Pages that are written by hand, and those that point to them. */
const written = [...pages.filter((page) => !page.startsWith("reference/")), "../README.md", "../deploy/README.md"]
const textOf = (page: string): string => fs.readFileSync(path.join(docs, page), "utf8")

/** What `find` finds in each page and `known` does not know, with its page. */
const unknown = (find: RegExp, known: (found: RegExpMatchArray) => boolean) =>
  written.flatMap((page) =>
    [...textOf(page).matchAll(find)].filter((found) => !known(found)).map(([whole]) => `${page}: ${whole}`)
  )

describe("the documentation", () => {
  const made = reference()

  for (const [name, text] of Object.entries(made)) {
    it(`has the reference of ${name} as the program has it; npm run docs makes it anew`, () => {
      assert.strictEqual(fs.readFileSync(path.join(docs, "reference", `${name}.md`), "utf8"), text)
    })
  }

  it("names verbs and flags that there are", () => {
    const helps = new Map(
      (made["command-lines"] ?? "").split(/^## compute_ctl ?/m).map((part) => {
        const [verb = "", ...rest] = part.split("\n")
        return [verb, rest.join("\n")] as const
      })
    )
    const found = unknown(
      /\bcompute_ctl ((?:[a-z]+-)*[a-z]+)((?: +(?:[^\s`|;()&]|\\\n)+)*)/g,
      ([, verb = "", rest = ""]) => {
        const help = helps.get(verb)
        if (help === undefined) return !rest.includes(" -")
        const flags = [...rest.matchAll(/(?<=\s)(--[a-z][a-z-]+|-[A-Za-z])(?=\s|=|$)/g)].map(([, flag = ""]) => flag)
        return flags.every((flag) => new RegExp(`(?<![\\w-])${flag}(?![\\w-])`).test(help))
      }
    )
    assert.deepStrictEqual(found, [])
  })

  it("names metrics, routes and variables that there are", () => {
    const metrics = unknown(
      /\b(?:compute_(?:ctl|pg|installed|audit)_|pg_cctl_|process_start)\w+/g,
      ([name]) =>
        name.endsWith("_") ||
        new RegExp(`\`${name.replace(/_(?:sum|count|bucket)$/, "")}(?:_.*)?\``).test(made["metrics"] ?? "")
    )
    assert.deepStrictEqual(
      metrics.filter((line) => !/compute_ctl_(?:config|temp_override|config_wanted)/.test(line)),
      []
    )
    const routes = new Set([...(made["api"] ?? "").matchAll(/^## (\S+ \S+)$/gm)].map(([, route = ""]) => route))
    const asked = unknown(/\b(GET|POST|DELETE) (\/[\w./]*\w)/g, ([, method = "", route = ""]) =>
      [...routes].some(
        (known) =>
          known === `${method} ${route}` ||
          (known.includes("{") && known.startsWith(`${method} ${path.dirname(route)}/`))
      )
    )
    assert.deepStrictEqual(asked, [])
    const variables = unknown(/`((?:COMPUTE_CTL|NEON|OTEL|AUDIT|PGBOUNCER)_[A-Z_]+)`/g, ([, name = ""]) =>
      (made["environment"] ?? "").includes(name)
    )
    assert.deepStrictEqual(variables, [])
  })

  it("says of each behaviour its limits, how it fails and what the log says", () => {
    for (const page of pages.filter((name) => name.startsWith("behaviour/"))) {
      for (const part of ["## When it fails\n", "## What the log says\n"]) assert.include(textOf(page), part, page)
    }
  })

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
