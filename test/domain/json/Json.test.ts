import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { positionSteps, read, trailing } from "../../../src/domain/json/Json.ts"
import { child, JsonFloat } from "../../../src/domain/json/JsonValue.ts"
import { JsonReader } from "../../../src/domain/json/read/JsonReader.ts"
import { run } from "../../../src/domain/json/Steps.ts"
import { growth } from "../../rig/proportion.ts"

const plain = (value: unknown): unknown =>
  value instanceof JsonFloat
    ? value.value
    : typeof value === "bigint"
      ? Number(value)
      : Array.isArray(value)
        ? value.map(plain)
        : typeof value === "object" && value !== null
          ? Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]))
          : value

const escapeAll = (character: string) =>
  Array.from(
    { length: character.length },
    (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`
  ).join("")

describe("Json", () => {
  it("reads what the platform's parser reads", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(undefined, 2, "\t"), (json, indent) => {
        const text = JSON.stringify(JSON.parse(json), null, indent)
        const json_ = read(text)
        assert.isNull(json_.fault)
        assert.deepStrictEqual(plain(json_.value), plain(JSON.parse(text)))
        assert.strictEqual(json_.end, text.length)
      })
    )
  })

  it("agrees with the platform's parser on what is no JSON, whatever is cut out of a document", () => {
    const text = JSON.stringify({ a: [1, -2.5, 1e3, true, null], 'b"\\': { c: "é\n", d: [] }, e: {} })
    fc.assert(
      fc.property(
        fc.nat(text.length),
        fc.nat(3),
        fc.constantFrom("", ",", "}", '"', "\\", "0", "-"),
        (at, cut, put) => {
          const broken = text.slice(0, at) + put + text.slice(at + cut)
          let valid = true
          try {
            JSON.parse(broken)
          } catch {
            valid = false
          }
          const result = read(broken)
          assert.strictEqual(result.fault === null && trailing(broken, result.end) === null, valid)
        }
      ),
      { numRuns: 2000 }
    )
  })

  it("reads the same whatever the size of its steps", () => {
    const small = (text: string, characters: number) => {
      const reader = new JsonReader(text)
      while (!reader.step(characters));
      return [reader.root, reader.fault, reader.end, reader.duplicates]
    }
    const text = `${JSON.stringify({ a: [1, -2.5, [], {}], 'b"\\n': { c: "é😀\n\\", d: [true] } }, null, 2)}  x`
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(3), fc.integer({ min: 1, max: 9 }), (at, cut, characters) => {
        const broken = text.slice(0, at) + text.slice(at + cut)
        assert.deepStrictEqual(small(broken, characters), small(broken, 1_000_000))
      })
    )
  })

  it("reads a long text as a short one, wherever its escapes stand", () => {
    for (const unit of ["a", "é", "😀", "\n", '"', "\\", "\u0001", "a\n", "ab😀\\"]) {
      for (const shift of ["", "x", "xy", "xyz"]) {
        const value = shift + unit.repeat(150_000 / unit.length)
        for (const text of [JSON.stringify([value]), `["${value.replace(/./gsu, escapeAll)}"]`]) {
          assert.isTrue(child(read(text).value, 0) === value, unit)
        }
      }
    }
    const long = "x".repeat(100_000)
    const fault = (text: string) => read(text).fault
    assert.deepStrictEqual(fault(`["${long}\\q"]`), { message: "invalid escape", offset: 100_003 })
    assert.strictEqual(fault(`["${long}\n"]`)?.offset, 100_002)
    assert.strictEqual(fault(`["\\n${long}\u0001"]`)?.offset, 100_004)
    assert.deepStrictEqual(fault(`["${long}\\u12`), { message: "EOF while parsing a string", offset: 100_006 })
    assert.strictEqual(fault(`["${long}`)?.message, "EOF while parsing a string")
    assert.include(fault(`["${long}\\ud800"]`)?.message ?? "", "surrogate")
    assert.strictEqual(fault(`{"${long}":1}`)?.message, "key of more than 16384 characters")
  })

  it("has limits for what costs more than its length", () => {
    const fault = (text: string) => read(text).fault?.message
    assert.isUndefined(fault(`[${"9".repeat(1000)}]`))
    assert.isUndefined(fault(`[0.${"9".repeat(1000)}]`))
    for (const number of [
      "9".repeat(2000),
      `0.${"1".repeat(2000)}`,
      `1e${"0".repeat(2000)}1`,
      `-${"9".repeat(2000)}`
    ]) {
      assert.strictEqual(fault(`[${number}]`), "number of more than 1100 characters")
    }
    assert.strictEqual(fault(`{${'"a":1,'.repeat(5000)}"b":1}`), "more than 1000 members were given again")
    const members = (count: number) => `{${Array.from({ length: count }, (_, index) => `"${index}":1`).join()}}`
    assert.isUndefined(fault(members(50_000)))
    assert.strictEqual(fault(members(50_001)), "more than 50000 members in one object")
    assert.strictEqual(fault(`[${"[],".repeat(2_000_000)}1]`), "more than 1500000 lists and objects")
    assert.strictEqual(fault(`[${"1,".repeat(6_000_000)}1]`), "more than 5000000 values")
  })

  it("costs in proportion to the text, whatever is in it", () => {
    const texts: Record<string, (length: number) => string> = {
      escapes: (length) => `{"a":"${"\\n".repeat(length / 2)}"}`,
      quotes: (length) => `{"a":"${'\\"'.repeat(length / 2)}"}`,
      unclosed: (length) => `{"a":"${'\\"'.repeat(length / 2)}`,
      backslashes: (length) => `{"a":"${"\\\\".repeat(length / 2)}`,
      texts: (length) => `[${'"a",'.repeat(length / 4)}"\\n"]`,
      escaped: (length) => `[${'"\\n",'.repeat(length / 5)}1]`,
      digits: (length) => `[${"7".repeat(length)}]`,
      numbers: (length) => `[${`${"7".repeat(1000)},`.repeat(length / 1000)}1]`,
      exponents: (length) => `[${"1e300,".repeat(length / 6)}1]`,
      repeated: (length) => `[${`{${'"a":1,'.repeat(400)}"b":1},`.repeat(length / 2400)}1]`,
      space: (length) => `[${" ".repeat(length)}`,
      deep: (length) => "[".repeat(length)
    }
    for (const [name, make] of Object.entries(texts)) {
      // Ten times the text: about ten times the time, and a hundred times if anything were read again and again.
      assert.isBelow(growth(read, make(200_000), make(2_000_000)), 40, name)
    }
  })

  it("keeps every digit of an integer", () => {
    assert.strictEqual(read("18446744073709551615").value, 18446744073709551615n)
    assert.strictEqual(read("-9223372036854775808").value, -9223372036854775808n)
    assert.strictEqual(read("9007199254740991").value, 9007199254740991)
  })

  it("tells whole floats from integers", () => {
    assert.instanceOf(read("1.0").value, JsonFloat)
    assert.deepStrictEqual(read("1.0").value, new JsonFloat(1))
    assert.deepStrictEqual(read("1e2").value, new JsonFloat(100))
    assert.strictEqual(read("1.5").value, 1.5)
    assert.strictEqual(read("1e999").fault?.message, "number out of range")
  })

  it("names the first fault and its place", () => {
    const fault = (text: string) => {
      const found = read(text).fault
      return found === null ? null : [found.message, run(positionSteps(text, found.offset))]
    }
    assert.deepStrictEqual(fault(""), ["EOF while parsing a value", { line: 1, column: 1 }])
    assert.deepStrictEqual(fault('{"spec":'), ["EOF while parsing a value", { line: 1, column: 9 }])
    assert.deepStrictEqual(fault('{\n  "a": 1,\n  b: 2}'), ["key must be a string", { line: 3, column: 3 }])
    assert.deepStrictEqual(fault('{"a":1,}'), ["trailing comma", { line: 1, column: 8 }])
    assert.include(fault('["a\nb"]')?.[0] ?? "", "control character")
    assert.include(fault('["\\ud800"]')?.[0] ?? "", "surrogate")
    assert.strictEqual(fault("[01]")?.[0], "invalid number")
    assert.strictEqual(fault("[".repeat(4000))?.[0], "recursion limit exceeded")
  })

  it("keeps what was complete before the fault", () => {
    const json = read('{"a": {"b": 1, "c": [1, 2')
    assert.deepStrictEqual(json.value, { a: { b: 1, c: [1, 2] } })
    assert.strictEqual(json.open.size, 3)
    assert.strictEqual(read('{"a": {"b": 1}, "c":').open.size, 1)
  })

  it("stops behind the value", () => {
    const json = read(' {"a":1} {')
    assert.isNull(json.fault)
    assert.deepStrictEqual(trailing(' {"a":1} {', json.end), { message: "trailing characters", offset: 9 })
  })

  it("notices members given twice, also odd ones", () => {
    const twice = read('{"a":1,"a":2}')
    assert.deepStrictEqual(twice.value, { a: 2 })
    assert.deepStrictEqual(
      twice.duplicates.map(({ key, offset }) => [key, offset]),
      [["a", 7]]
    )
    assert.deepStrictEqual(read('{"toString":1}').duplicates, [])
    const proto = read('{"__proto__":{"x":1}}').value
    assert.deepStrictEqual(Object.getOwnPropertyNames(proto), ["__proto__"])
  })
})
