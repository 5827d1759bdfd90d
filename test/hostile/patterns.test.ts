import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import ts from "typescript"
import { root } from "../rig/postgres.ts"

const LIMIT = 300_000

interface Pattern {
  readonly place: string
  readonly source: string
  readonly flags: string
}

const files = (folder: string): ReadonlyArray<string> =>
  fs
    .readdirSync(path.join(root, folder), { recursive: true })
    .map(String)
    .filter((file) => file.endsWith(".ts"))
    .map((file) => path.join(folder, file))

const nodesOf = (file: string): ReadonlyArray<readonly [ts.Node, string]> => {
  const text = fs.readFileSync(path.join(root, file), "utf8")
  const parsed = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const found: Array<readonly [ts.Node, string]> = []
  const visit = (node: ts.Node): void => {
    found.push([node, `${file}:${parsed.getLineAndCharacterOfPosition(node.getStart()).line + 1}`])
    ts.forEachChild(node, visit)
  }
  visit(parsed)
  return found
}

const patterns = (): ReadonlyArray<Pattern> =>
  files("src").flatMap((file) =>
    nodesOf(file).flatMap(([node, place]): ReadonlyArray<Pattern> => {
      if (!ts.isRegularExpressionLiteral(node)) return []
      const end = node.text.lastIndexOf("/")
      return [{ place, source: node.text.slice(1, end), flags: node.text.slice(end + 1) }]
    })
  )

/** Without repetition the cost of a try is fixed. */
const isBounded = (source: string): boolean => !/[*+]|\{\d+,\}/.test(source.replace(/\\./g, ""))

/** Those that the checker has found safe, each of which costs it seconds; `npm run test:long` asks it again. */
const checked = path.join(root, "test/fixtures/patterns.txt")
const isLong = process.env["FUZZ_SECONDS"] !== undefined

describe("patterns", () => {
  it(
    "cost no more than in proportion to the text, each of them",
    async () => {
      // The checker of this process, not a program of another architecture.
      process.env["RECHECK_BACKEND"] = "pure"
      const { checkSync } = await import("recheck")
      const all = patterns()
      assert.isAbove(all.length, 80)
      const safe = isLong ? [] : fs.readFileSync(checked, "utf8").split("\n")
      const seen = new Map<string, string>(safe.map((key) => [key, "safe"]))
      const costly = all.flatMap(({ flags, place, source }) => {
        const key = `/${source}/${flags}`
        const known = seen.get(key)
        const verdict = known ?? (isBounded(source) ? "safe" : checkSync(source, flags, { timeout: 120_000 }).status)
        seen.set(key, verdict)
        return verdict === "safe" ? [] : [`${place} ${key}: ${verdict}`]
      })
      assert.deepStrictEqual(costly, [])
    },
    LIMIT
  )

  it("that are put together are few, and known", () => {
    const made = files("src").flatMap((file) =>
      nodesOf(file).flatMap(([node]) =>
        (ts.isNewExpression(node) || ts.isCallExpression(node)) && node.expression.getText() === "RegExp" ? [file] : []
      )
    )
    assert.deepStrictEqual(made.sort(), ["src/domain/vmmonitor/Decisions.ts", "src/layers/observe/log/DailyFile.ts"])
  })
})
