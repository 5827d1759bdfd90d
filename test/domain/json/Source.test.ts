/**
 * A text in pieces is read as the same text in one: windows end anywhere.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { positionSteps, readSteps, trailing } from "../../../src/domain/json/Json.ts"
import { newPlace } from "../../../src/domain/json/read/JsonRead.ts"
import { run } from "../../../src/domain/json/Steps.ts"
import { Utf8Text } from "../../../src/domain/json/Utf8.ts"

const lengths = fc.constantFrom(0, 5, 11, 12, 13, 100, 16_380, 65_530, 65_536, 65_540, 131_072, 200_000)
const units = fc.constantFrom("x", "é", "😀", "\\n", "\\u00e9", "\\ud83d\\ude00", '\\"', "\\\\")
const filled = fc.tuple(units, lengths).map(([unit, length]) => unit.repeat(Math.ceil(length / unit.length)))
const rare = fc.constantFrom("", "", "", "", "", "", "\n", "\\x", "\\ud800", "\\u0000", "\\", '"')
const string = fc.tuple(filled, rare, filled).map(([one, odd, other]) => `"${one}${odd}${other}"`)
const number = fc.constantFrom("0", "-1.5e3", "12345678901234567890", "9".repeat(1099), "9".repeat(1102), "1.", "1e400")
const blanks = lengths.map((length) => " \n\t".repeat(length / 3))
const value = fc.oneof(
  { weight: 4, arbitrary: string },
  number,
  fc.constantFrom("true", "null", "[]", '{"a":[1,{"b":"c"}]}', "tru", '{"a":1,"a":2}', '{"__proto__":1}')
)
const member = fc
  .tuple(fc.oneof({ weight: 9, arbitrary: fc.constantFrom('"k"', '"other"', '""') }, string), blanks, value)
  .map(([key, blank, of]) => `${key}:${blank}${of}`)
const document = fc
  .tuple(fc.array(fc.oneof(value, member), { maxLength: 12 }), fc.boolean(), fc.nat(30))
  .map(([members, isList, cut]) => {
    const text = isList ? `[${members.join(",\n")}]` : `{"first":1,${members.join(",")}} x`
    // One in ten ends before its end.
    return cut < 3 ? text.slice(0, Math.floor((text.length * cut) / 3)) : text
  })

const divide = (text: string, sizes: ReadonlyArray<number>): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const size = sizes[turn % sizes.length] ?? text.length
    pieces.push(text.slice(at, at + size))
    at += size
  }
  return pieces
}
const sizes = fc.array(fc.constantFrom(1, 7, 1000, 65_536, 131_071, 131_072, 200_000), { minLength: 1, maxLength: 4 })

describe("a text in pieces", () => {
  it("is what the same text in one is: its value, its fault and every place in it", () => {
    fc.assert(
      fc.property(document, sizes, (text, cuts) => {
        // A piece of one character each would be a million.
        const pieces = divide(text, cuts.every((size) => size < 1000) ? [...cuts, 65_536] : cuts)
        const noted = [newPlace(), newPlace()] as const
        for (const place of noted) {
          place.below.set("k", newPlace())
          place.below.set(0, newPlace())
        }
        const whole = run(readSteps(text, noted[0]))
        const parts = run(readSteps(pieces, noted[1]))
        assert.deepStrictEqual(parts.value, whole.value)
        assert.deepStrictEqual(parts.fault, whole.fault)
        assert.strictEqual(parts.end, whole.end)
        assert.deepStrictEqual(
          [parts.duplicates, parts.nuls].map((all) => all.map(({ key, offset }) => ({ key, offset }))),
          [whole.duplicates, whole.nuls].map((all) => all.map(({ key, offset }) => ({ key, offset })))
        )
        assert.strictEqual(parts.open.size, whole.open.size)
        assert.deepStrictEqual(noted[1], noted[0])
        assert.deepStrictEqual(trailing(pieces, parts.end), trailing(text, whole.end))
        const offset = whole.fault?.offset ?? whole.end
        assert.deepStrictEqual(run(positionSteps(pieces, offset)), run(positionSteps(text, offset)))
      }),
      { numRuns: 150 }
    )
  })

  it("is decoded again each time, and ends before what is no UTF-8", () => {
    const bytes = new TextEncoder().encode(`"${"é😀x".repeat(400_000)}"`)
    const text = new Utf8Text(
      Array.from({ length: Math.ceil(bytes.length / 999) }, (_, at) => bytes.subarray(at * 999, at * 999 + 999))
    )
    for (const _ of [1, 2]) {
      assert.isAbove([...text].length, 2)
      assert.strictEqual([...text].join(""), new TextDecoder().decode(bytes))
    }
    assert.isFalse(text.isBroken)
    for (const wrong of [Uint8Array.of(0xff), Uint8Array.of(0xe2, 0x82)]) {
      const broken = new Utf8Text([bytes, wrong])
      assert.isTrue(new TextDecoder().decode(bytes).startsWith([...broken].join("")))
      assert.isTrue(broken.isBroken)
    }
  })
})
