import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { JsonFloat, position, read, trailing } from "../../src/domain/Json.ts"

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
      return found === null ? null : [found.message, position(text, found.offset)]
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
