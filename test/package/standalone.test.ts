/**
 * The executable and the Node that runs everything want nothing of a machine that a bare Debian 12 does not have.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Elf } from "../../scripts/elf.mjs"
import { LIBRARY, makeStandalone } from "../../scripts/standalone.mjs"

const root = path.resolve(import.meta.dirname, "../..")
const original = path.join(root, `node_modules/node-linux-${process.arch}/bin/node`)

/** The newest version of each library of Debian 12 that has versions. */
const debian12: Readonly<Record<string, string>> = { GLIBC: "2.36", GLIBCXX: "3.4.30", CXXABI: "1.3.13", GCC: "12.0.0" }
const libraries = ["libdl.so.2", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libpthread.so.0", "libc.so.6"]
const loaders = ["ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"]

const isAtMost = (version: string, most: string): boolean => {
  const [ours = [], theirs = []] = [version, most].map((text) => text.split(".").map(Number))
  const at = theirs.findIndex((number, index) => (ours[index] ?? 0) !== number)
  return at < 0 ? ours.length <= theirs.length : (ours[at] ?? 0) < (theirs[at] ?? 0)
}

/** The image's is in `test/image`. */
const MEGABYTE = 1_000_000
const BUDGET = 130 * MEGABYTE

it("the executable keeps to its budget", () => {
  const { size } = fs.statSync(path.join(root, "dist/compute_ctl"))
  process.stderr.write(`dist/compute_ctl: ${(size / MEGABYTE).toFixed(1)} MB of ${BUDGET / MEGABYTE}\n`)
  assert.isBelow(size, BUDGET)
})

// What the loader of another system wants is another matter.
describe.skipIf(process.platform !== "linux")("on Linux", () => {
  for (const [what, file] of [
    ["the executable", path.join(root, "dist/compute_ctl")],
    ["the Node of the scripts", process.execPath]
  ] as const) {
    it(`${what} asks the loader for nothing that a bare Debian 12 lacks`, () => {
      const elf = new Elf(fs.readFileSync(file))
      assert.deepStrictEqual(
        elf.needed().filter((name) => !libraries.includes(name) && !loaders.includes(name)),
        []
      )
      const versions = elf.versions()
      for (const { library } of versions) assert.include(elf.needed(), library)
      const wanted = versions.flatMap((one) => one.wanted.map(({ name }) => name))
      assert.isAbove(wanted.length, 20)
      for (const name of wanted) {
        const [, set = "", version = ""] = /^(\w+)_([\d.]+)$/.exec(name) ?? []
        assert.isTrue(isAtMost(version, debian12[set] ?? "0"), name)
      }
    })
  }

  it("what took the library's place holds when many threads allocate functions and drop WebAssembly modules", () => {
    const script = `
      const { Worker, isMainThread } = require("node:worker_threads")
      const bytes = Uint8Array.from([0,97,115,109,1,0,0,0,1,5,1,96,0,1,127,3,2,1,0,7,5,1,1,102,0,0,10,6,1,4,0,65,7,11])
      let sum = 0
      for (let round = 0; round < 200; round++) {
        sum += new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.f()
        for (let index = 0; index < 50; index++) sum += new Function("return 1")()
        if (round % 50 === 0) gc()
      }
      if (sum !== 200 * 57) throw new Error(String(sum))
      if (isMainThread) for (let thread = 0; thread < 4; thread++) new Worker(__filename)
    `
    const file = path.join(fs.mkdtempSync("/tmp/threads-"), "threads.cjs")
    fs.writeFileSync(file, script)
    execFileSync(process.execPath, ["--expose-gc", file])
    fs.rmSync(path.dirname(file), { recursive: true })
  })

  describe("Node as it is installed", () => {
    const read = () => fs.readFileSync(original)
    const SYMBOL = "__atomic_compare_exchange"

    it("loses the library and nothing else", () => {
      const [before, after] = [read(), read()]
      makeStandalone(after)
      const [was, is] = [new Elf(before), new Elf(after)]
      assert.include(was.needed(), LIBRARY)
      assert.deepStrictEqual(
        is.needed(),
        was.needed().filter((name) => name !== LIBRARY)
      )
      const plain = (elf: Elf) => elf.versions().map(({ library, wanted }) => ({ library, wanted }))
      assert.deepStrictEqual(
        plain(is),
        plain(was).filter(({ library }) => library !== LIBRARY)
      )
      const names = (elf: Elf) => elf.relocations().map(({ symbol }) => elf.symbolName(symbol))
      assert.deepStrictEqual(
        names(is).filter((name) => name !== ""),
        names(was).filter((name) => name !== "" && name !== SYMBOL)
      )
      let differing = 0
      for (let at = 0; at < before.length; at++) if (before[at] !== after[at]) differing++
      assert.isBelow(differing, 500)
      const again = Buffer.from(after)
      makeStandalone(again)
      assert.isTrue(again.equals(after))
    })

    it("loses its symbols, and nothing that a process loads", () => {
      const before = new Elf(read())
      const bytes = before.stripped()
      const after = new Elf(bytes)
      assert.isBelow(bytes.length, 0.85 * fs.statSync(original).size)
      assert.deepStrictEqual(after.needed(), before.needed())
      assert.deepStrictEqual(after.versions(), before.versions())
      const loaded = (elf: Elf) => elf.sections().flatMap(({ end, type }) => (end > 0xffff ? [{ end, type }] : []))
      assert.includeDeepMembers(loaded(before), loaded(after).slice(0, -1))
      const names = (elf: Elf) => elf.relocations().map(({ symbol }) => elf.symbolName(symbol))
      assert.deepStrictEqual(names(after), names(before))
    })

    it("is refused when it wants something else of the library", () => {
      const bytes = read()
      const elf = new Elf(bytes)
      const at = bytes.indexOf(`\0${SYMBOL}\0`) + 1
      assert.isTrue(elf.relocations().some(({ symbol }) => elf.symbolName(symbol) === SYMBOL))
      bytes.write("__atomic_fetch_nothing_ex", at, "latin1")
      assert.throws(() => makeStandalone(bytes), "it wants __atomic_fetch_nothing_ex of libatomic.so.1")
    })

    it("is refused when it calls the function for another width", () => {
      const bytes = read()
      // mov edi, 8 and mov w0, #8; sixteen in their place
      const [eight, sixteen] = process.arch === "x64" ? ["bf08000000", "bf10000000"] : ["00018052", "00028052"]
      for (let at = bytes.indexOf(eight, 0, "hex"); at >= 0; at = bytes.indexOf(eight, at + 1, "hex")) {
        bytes.write(sixteen, at, "hex")
      }
      assert.throws(() => makeStandalone(bytes), "for another width than eight bytes")
    })
  })

  it("what is no such program is refused by name", () => {
    assert.throws(() => makeStandalone(Buffer.from("#!/bin/sh\n".repeat(100))), "not a 64-bit little-endian ELF file")
  })
})
