import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { evaluated } from "../../../src/layers/machine/asset.ts"

const dir = fs.mkdtempSync(path.join(os.tmpdir(), "asset-"))
const { 1: program = "" } = process.argv
afterAll(() => {
  process.argv[1] = program
  fs.rmSync(dir, { recursive: true, force: true })
})

describe("A library that lies beside the program", () => {
  it("gets the runtime's modules, and an error for those that are missing, which it may do without", () => {
    process.argv[1] = path.join(dir, "compute_ctl.cjs")
    const text = `let fast = true
      try { require("bufferutil") } catch { fast = false }
      module.exports = { fast, separator: require("path").sep }`
    fs.writeFileSync(path.join(dir, "library.cjs"), text)
    assert.deepStrictEqual<unknown>(evaluated("library.cjs", {}), { fast: false, separator: path.sep })
  })
})
