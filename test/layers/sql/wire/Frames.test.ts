import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Frames from "../../../../src/layers/sql/wire/Frames.ts"

const startupText = `-c timeline_id=${"2".repeat(32)} tenant_id=${"1".repeat(32)}`

describe("Frames", () => {
  it("writes a safekeeper's startup packet", () => {
    const packet = Frames.startup([
      ["client_encoding", "UTF8"],
      ["user", "no_user"],
      ["options", startupText]
    ])
    assert.strictEqual(packet.length, 142)
    assert.strictEqual(packet.subarray(0, 8).toString("hex"), "0000008e00030000")
    assert.strictEqual(
      packet.subarray(8).toString(),
      `client_encoding\0UTF8\0user\0no_user\0options\0${startupText}\0\0`
    )
  })

  it("writes queries, passwords and farewells", () => {
    assert.strictEqual(Frames.query("TIMELINE_STATUS").toString("hex"), "510000001454494d454c494e455f53544154555300")
    assert.strictEqual(Frames.password("secret").toString("latin1"), "p\0\0\0\x0bsecret\0")
    assert.strictEqual(Frames.terminate.toString("hex"), "5800000004")
    assert.strictEqual(Frames.sslRequest.toString("hex"), "0000000804d2162f")
  })

  it("reads the same frames however they are cut", () => {
    const messages = fc.array(fc.tuple(fc.constantFrom("d", "Z", "S", "E"), fc.uint8Array({ maxLength: 40 })), {
      maxLength: 8
    })
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 13 }), { minLength: 1 }), (sent, sizes) => {
        const bytes = Buffer.concat(
          sent.map(([type, body]) => {
            const head = Buffer.alloc(5)
            head.write(type)
            head.writeUInt32BE(body.length + 4, 1)
            return Buffer.concat([head, body])
          })
        )
        const reader = new Frames.FrameReader()
        const got: Array<readonly [string, string]> = []
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1
          const { frames, fault } = reader.push(bytes.subarray(at, at + size))
          assert.isNull(fault)
          got.push(...frames.map(({ type, body }) => [type, body.toString("hex")] as const))
          at += size
        }
        assert.deepStrictEqual(
          got,
          sent.map(([type, body]) => [type, Buffer.from(body).toString("hex")] as const)
        )
        assert.strictEqual(reader.pending, 0)
      })
    )
  })

  it("refuses lengths that cannot be", () => {
    for (const length of [0, 3, 0x7fffffff, 0xffffffff]) {
      const head = Buffer.from("d\0\0\0\0")
      head.writeUInt32BE(length, 1)
      const { fault } = new Frames.FrameReader().push(head)
      assert.isTrue(fault?.message.startsWith(`invalid message length: ${length}`))
    }
  })

  it("reads rows with NULLs, and no row that is cut off", () => {
    const row = Buffer.from("\0\x02\0\0\0\x01x\xff\xff\xff\xff", "latin1")
    assert.deepStrictEqual(Frames.dataRow(row), ["x", null])
    assert.isUndefined(Frames.dataRow(row.subarray(0, 7)))
    assert.isUndefined(Frames.dataRow(Buffer.from("\0\x01\0\0\0\x09x", "latin1")))
    assert.isUndefined(Frames.dataRow(Buffer.alloc(1)))
  })

  it("reads an error's fields", () => {
    assert.deepStrictEqual(
      [...Frames.errorFields(Buffer.from("SERROR\0CXX000\0Mnot found\0\0"))],
      [
        ["S", "ERROR"],
        ["C", "XX000"],
        ["M", "not found"]
      ]
    )
  })
})
