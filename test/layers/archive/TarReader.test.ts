/**
 * The reader alone, with what no sane writer would write.
 */
import { assert, describe, it } from "@effect/vitest"
import { type TarLimits, TarReader } from "../../../src/layers/archive/TarReader.ts"
import { attribute, end, entry, type Raw } from "../basebackup/archives.ts"

const limits: TarLimits = { unpacked: 1024 ** 3, entries: 1000 }

/** What a sink was told, and why the reader gave up. */
const told = (bytes: Buffer, more: Partial<TarLimits> = {}, piece = bytes.length) => {
  const seen: Array<string> = []
  const reader = new TarReader(
    {
      entry: ({ name, type, size, mtime }) => void seen.push(`${type} ${name} ${size} ${mtime}`),
      data: (data) => void seen.push(`data ${data.length}`),
      end: () => void seen.push("end"),
      link: ({ name, type, target }) => {
        seen.push(`${type} ${name} -> ${target}`)
        return null
      }
    },
    { ...limits, ...more }
  )
  let fault: string | null = null
  for (let at = 0; at < bytes.length && fault === null; at += piece) fault = reader.push(bytes.subarray(at, at + piece))
  return { seen, fault: fault ?? reader.finish() }
}
const tarOf = (...entries: ReadonlyArray<Raw>) => Buffer.concat([...entries.map(entry), end])
const pax = (...records: ReadonlyArray<string>): Raw => ({ name: "pax", type: "x", body: records.join("") })

/** A header whose size field has these bytes. */
const withSize = (bytes: ReadonlyArray<number>, raw: Raw = { name: "x" }) => {
  const block = entry(raw).subarray(0, 512)
  block.fill(0, 124, 136)
  Buffer.from(bytes).copy(block, 124)
  block.fill(" ", 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return block
}

describe("sizes", () => {
  it("of attributes are whole numbers in digits", () => {
    for (const size of [
      "-512",
      "-1",
      "1e3",
      "0x200",
      "+5",
      " 5",
      "5 ",
      "5.0",
      "9007199254740992",
      "99999999999999999999",
      "NaN",
      "05"
    ]) {
      const { fault, seen } = told(tarOf(pax(attribute("size", size)), { name: "x", body: "12345" }))
      assert.include(fault ?? "", "an entry has no size", size)
      assert.deepStrictEqual(seen, [])
    }
    const five = told(tarOf(pax(attribute("size", "5")), { name: "x", body: "12345", size: 0 }))
    assert.deepStrictEqual(five, { seen: ["file x 5 1700000000", "data 5", "end"], fault: null })
    const empty = told(tarOf(pax(attribute("size", "")), { name: "x", body: "12345" }))
    assert.strictEqual(empty.fault, null)
  })

  it("of headers are octal, or big-endian and not below zero", () => {
    const ff = Array.from({ length: 12 }, () => 0xff)
    for (const bytes of [
      ff,
      [...ff.slice(0, 10), 0xfe, 0x00],
      [0x80, ...ff.slice(1)],
      [0xc0, ...ff.slice(1)],
      [...Buffer.from("-0000000512")],
      [...Buffer.from("99999999999")]
    ]) {
      assert.include(told(Buffer.concat([withSize(bytes), end])).fault ?? "", "damaged", bytes.join())
    }
    assert.include(told(withSize([0x80, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0])).fault ?? "", "unpacks to more than")
  })

  it("are believed up to the limit, and counted by what is read", () => {
    assert.include(
      told(tarOf({ name: "x", size: 2000 }), { unpacked: 1024 }).fault ?? "",
      "unpacks to more than 1024 bytes"
    )
    assert.include(told(Buffer.alloc(4096), { unpacked: 2048 }, 512).fault ?? "", "unpacks to more than 2048 bytes")
    const many = Array.from({ length: 20 }, (_, at) => ({ name: `d${at}`, type: "5" }))
    assert.include(told(tarOf(...many), { entries: 19 }).fault ?? "", "more than 19 entries")
    const meta = Array.from({ length: 20 }, () => pax(attribute("comment", "x")))
    assert.include(told(tarOf(...meta), { entries: 19 }).fault ?? "", "more than 19 entries")
  })

  it("of links are zero", () => {
    for (const type of ["1", "2"]) {
      const { fault, seen } = told(tarOf({ name: "l", type, link: "t", size: 3 * 1024 ** 3 }))
      assert.include(fault ?? "", "a link with a body of 3221225472 bytes: l")
      assert.deepStrictEqual(seen, [])
      const attributes = told(tarOf(pax(attribute("size", "512")), { name: "l", type, link: "t" }))
      assert.include(attributes.fault ?? "", "a link with a body of 512 bytes: l")
    }
  })
})

describe("names", () => {
  const long = `${"l".repeat(99)}/${"m".repeat(120)}`

  it("may be long, of entries and of what links point at", () => {
    const { fault, seen } = told(
      tarOf(
        { name: "././@LongLink", type: "L", body: `${long}\0` },
        { name: "././@LongLink", type: "K", body: `${long}2\0` },
        { name: "cut", type: "2", link: "cut" },
        { name: "././@LongLink", type: "K", body: `${long}3\0` },
        { name: "hard", type: "1", link: "cut" },
        pax(attribute("linkpath", `${long}4`), attribute("path", "ünï")),
        { name: "cut", type: "2", link: "cut" },
        { name: "plain", type: "2", link: "short" }
      )
    )
    assert.strictEqual(fault, null)
    assert.deepStrictEqual(seen, [
      `symbolic ${long} -> ${long}2`,
      `hard hard -> ${long}3`,
      `symbolic ünï -> ${long}4`,
      "symbolic plain -> short"
    ])
  })

  it("have no NUL, are UTF-8 and no longer than a path may be", () => {
    for (const [records, complaint] of [
      [[attribute("path", "a\0b")], "a NUL in it"],
      [[attribute("linkpath", "a\0b")], "a NUL in it"],
      [[attribute("path", "x".repeat(5000))], "a name of 5000 characters"]
    ] as const) {
      assert.include(told(tarOf(pax(...records), { name: "l", type: "2", link: "t" })).fault ?? "", complaint)
    }
    const latin = entry({ name: "caf" })
    latin[3] = 0xe9
    latin.fill(" ", 148, 156)
    const sum = latin.subarray(0, 512).reduce((total, byte) => total + byte, 0)
    latin.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
    assert.include(told(latin).fault ?? "", "not UTF-8")
  })
})

describe("descriptions", () => {
  it("are whole records", () => {
    for (const body of [
      ...[
        "12 path=a\n",
        "99 path=a\n",
        "0 path=a\n",
        "-9 path=a\n",
        "1e1 path=a\n",
        "9 path=ab",
        "9 patha\n",
        "5 =a\n"
      ],
      ...["path=a\n", " 9 path=a\n", "9  path=a\n", "99999999999999999999 path=a\n", "9 path=a\nx", "\0".repeat(20)]
    ]) {
      const { fault, seen } = told(tarOf({ name: "pax", type: "x", body }, { name: "x" }))
      assert.include(fault ?? "", "attributes of an entry cannot be read", body)
      assert.deepStrictEqual(seen, [])
    }
  })

  it("describe an entry that follows them, and no other", () => {
    assert.include(told(tarOf(pax(attribute("path", "a")))).fault ?? "", "an entry that it does not have")
    assert.include(told(entry(pax(attribute("path", "a")))).fault ?? "", "cut off between two entries")
    const { seen } = told(tarOf(pax(attribute("path", "a")), { name: "b" }, { name: "c" }))
    assert.deepStrictEqual(seen, ["file a 0 1700000000", "end", "file c 0 1700000000", "end"])
  })

  it("say nothing of all entries that would move them, and nothing of holes", () => {
    for (const key of ["path", "linkpath", "size"]) {
      const { fault } = told(tarOf({ name: "g", type: "g", body: attribute(key, "1") }, { name: "x" }))
      assert.include(fault ?? "", `sets ${key} for all entries`)
    }
    assert.include(told(tarOf(pax(attribute("GNU.sparse.major", "1")), { name: "x" })).fault ?? "", "a sparse file")
    const comment = { name: "g", type: "g", body: attribute("comment", "x") }
    assert.strictEqual(told(tarOf(comment, { name: "x" })).fault, null)
  })

  it("have a limit before they are read", () => {
    for (const type of ["L", "K", "x", "g"]) {
      const { fault } = told(tarOf({ name: "huge", type, size: 3 * 1024 ** 3 }))
      assert.include(fault ?? "", "describes an entry with 3221225472 bytes")
    }
  })
})

describe("other headers", () => {
  it("have times before 1970 and after any calendar", () => {
    const at = (bytes: ReadonlyArray<number>) => {
      const block = entry({ name: "x" })
      Buffer.from(bytes).copy(block, 136)
      block.fill(" ", 148, 156)
      const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0)
      block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
      return told(block).seen[0]
    }
    const ff = Array.from({ length: 12 }, () => 0xff)
    assert.strictEqual(at(ff), "file x 0 0")
    assert.strictEqual(at([0x80, 0, 0, 0, 0, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff]), "file x 0 253402300799")
  })

  it("of directories may have a size, which is no body", () => {
    const { fault, seen } = told(
      tarOf({ name: "d", type: "5", size: 4096 }, { name: "old/", size: 512 }, { name: "x" })
    )
    assert.strictEqual(fault, null)
    assert.deepStrictEqual(seen.slice(0, 2), ["directory d 0 1700000000", "directory old/ 0 1700000000"])
  })

  it("of devices, pipes, sparse files and unknown kinds end the archive", () => {
    for (const [type, kind] of [
      ["3", "a device"],
      ["4", "a device"],
      ["6", "a pipe"],
      ["S", "a sparse file"],
      ["V", "unknown type"],
      ["M", "unknown type"]
    ]) {
      assert.include(told(tarOf({ name: "n", type: type ?? "" })).fault ?? "", kind ?? "")
    }
  })
})
