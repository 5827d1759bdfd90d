import { describe, expect, it } from "@effect/vitest"
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
        expect(json_.fault).toBe(null)
        expect(plain(json_.value)).toStrictEqual(plain(JSON.parse(text)))
        expect(json_.end).toBe(text.length)
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
          expect(result.fault === null && trailing(broken, result.end) === null).toBe(valid)
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
        expect(small(broken, characters)).toStrictEqual(small(broken, 1_000_000))
      })
    )
  })

  it("reads a long text as a short one, wherever its escapes stand", () => {
    for (const unit of ["a", "é", "😀", "\n", '"', "\\", "\u0001", "a\n", "ab😀\\"]) {
      for (const shift of ["", "x", "xy", "xyz"]) {
        const value = shift + unit.repeat(150_000 / unit.length)
        for (const text of [JSON.stringify([value]), `["${value.replace(/./gsu, escapeAll)}"]`]) {
          expect(child(read(text).value, 0) === value, unit).toBe(true)
        }
      }
    }
    const long = "x".repeat(100_000)
    const fault = (text: string) => read(text).fault
    expect(fault(`["${long}\\q"]`)).toEqual({ message: "invalid escape", offset: 100_003 })
    expect(fault(`["${long}\n"]`)?.offset).toBe(100_002)
    expect(fault(`["\\n${long}\u0001"]`)?.offset).toBe(100_004)
    expect(fault(`["${long}\\u12`)).toEqual({ message: "EOF while parsing a string", offset: 100_006 })
    expect(fault(`["${long}`)?.message).toBe("EOF while parsing a string")
    expect(fault(`["${long}\\ud800"]`)?.message).toContain("surrogate")
    expect(fault(`{"${long}":1}`)?.message).toBe("key of more than 16384 characters")
  })

  it("has limits for what costs more than its length", () => {
    const fault = (text: string) => read(text).fault?.message
    expect(fault(`[${"9".repeat(1000)}]`)).toBe(undefined)
    expect(fault(`[0.${"9".repeat(1000)}]`)).toBe(undefined)
    for (const number of [
      "9".repeat(2000),
      `0.${"1".repeat(2000)}`,
      `1e${"0".repeat(2000)}1`,
      `-${"9".repeat(2000)}`
    ]) {
      expect(fault(`[${number}]`)).toBe("number of more than 1100 characters")
    }
    expect(fault(`{${'"a":1,'.repeat(5000)}"b":1}`)).toBe("more than 1000 members were given again")
    const members = (count: number) => `{${Array.from({ length: count }, (_, index) => `"${index}":1`).join()}}`
    expect(fault(members(50_000))).toBe(undefined)
    expect(fault(members(50_001))).toBe("more than 50000 members in one object")
    expect(fault(`[${"[],".repeat(2_000_000)}1]`)).toBe("more than 1500000 lists and objects")
    expect(fault(`[${"1,".repeat(6_000_000)}1]`)).toBe("more than 5000000 values")
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
      expect(growth(read, make(200_000), make(2_000_000)), name).toBeLessThan(40)
    }
  })

  it("keeps every digit of an integer", () => {
    expect(read("18446744073709551615").value).toBe(18446744073709551615n)
    expect(read("-9223372036854775808").value).toBe(-9223372036854775808n)
    expect(read("9007199254740991").value).toBe(9007199254740991)
  })

  it("tells whole floats from integers", () => {
    expect(read("1.0").value).toStrictEqual(new JsonFloat(1))
    expect(read("1e2").value).toStrictEqual(new JsonFloat(100))
    expect(read("1.5").value).toBe(1.5)
    expect(read("1e999").fault?.message).toBe("number out of range")
  })

  it("names the first fault and its place", () => {
    const fault = (text: string) => {
      const found = read(text).fault
      return found === null ? null : [found.message, run(positionSteps(text, found.offset))]
    }
    expect(fault("")).toEqual(["EOF while parsing a value", { line: 1, column: 1 }])
    expect(fault('{"spec":')).toEqual(["EOF while parsing a value", { line: 1, column: 9 }])
    expect(fault('{\n  "a": 1,\n  b: 2}')).toEqual(["key must be a string", { line: 3, column: 3 }])
    expect(fault('{"a":1,}')).toEqual(["trailing comma", { line: 1, column: 8 }])
    expect(fault('["a\nb"]')?.[0]).toContain("control character")
    expect(fault('["\\ud800"]')?.[0]).toContain("surrogate")
    expect(fault("[01]")?.[0]).toBe("invalid number")
    expect(fault("[".repeat(4000))?.[0]).toBe("recursion limit exceeded")
  })

  it("keeps what was complete before the fault", () => {
    const json = read('{"a": {"b": 1, "c": [1, 2')
    expect(json.value).toEqual({ a: { b: 1, c: [1, 2] } })
    expect(json.open.size).toBe(3)
    expect(read('{"a": {"b": 1}, "c":').open.size).toBe(1)
  })

  it("stops behind the value", () => {
    const json = read(' {"a":1} {')
    expect(json.fault).toBe(null)
    expect(trailing(' {"a":1} {', json.end)).toEqual({ message: "trailing characters", offset: 9 })
  })

  it("notices members given twice, also odd ones", () => {
    expect(read('{"a":1,"a":2}')).toMatchObject({ value: { a: 2 }, duplicates: [{ key: "a", offset: 7 }] })
    expect(read('{"toString":1}').duplicates).toEqual([])
    const proto = read('{"__proto__":{"x":1}}').value
    expect(Object.getOwnPropertyNames(proto)).toEqual(["__proto__"])
  })
})
