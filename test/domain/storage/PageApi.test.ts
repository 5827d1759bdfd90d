import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Lsn from "../../../src/domain/spec/Lsn.ts"
import * as PageApi from "../../../src/domain/storage/PageApi.ts"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const at = Lsn.fromBigInt(0x16b9188n)

describe("PageApi", () => {
  it("frames a basebackup request as recorded", () => {
    const replica = { lsn: at, replica: true, full: false, compression: "gzip" } as const
    assert.strictEqual(hex(PageApi.frame(PageApi.encodeGetBaseBackupRequest(replica))), "00000000090888a3ae0b10012002")
    const latest = { lsn: Lsn.zero, replica: false, full: false, compression: "gzip" } as const
    assert.strictEqual(hex(PageApi.frame(PageApi.encodeGetBaseBackupRequest(latest))), "00000000022002")
    for (const request of [replica, latest]) {
      assert.deepStrictEqual(
        PageApi.decodeGetBaseBackupRequest(PageApi.encodeGetBaseBackupRequest(request)),
        Result.succeed(request)
      )
    }
  })

  it("writes and reads leases as recorded", () => {
    assert.strictEqual(hex(PageApi.frame(PageApi.encodeLeaseLsnRequest(at))), "00000000050888a3ae0b")
    const answer = PageApi.encodeLeaseLsnResponse(1753920000500)
    assert.strictEqual(hex(answer), "0a0c0880e4aac4061080cab5ee01")
    assert.deepStrictEqual(PageApi.decodeLeaseLsnResponse(answer), Result.succeed(1753920000500))
    assert.isTrue(Result.isFailure(PageApi.decodeLeaseLsnResponse(new Uint8Array(0))))
  })

  it("cuts messages at any byte", () => {
    const messages = [new Uint8Array(0), Uint8Array.from([1, 2, 3]), new Uint8Array(300).fill(7)]
    const bytes = Buffer.concat(messages.map(PageApi.frame))
    for (const step of [1, 2, 4, 5, 7, 100, bytes.length]) {
      const reader = new PageApi.FrameReader()
      const got: Array<Uint8Array> = []
      for (let from = 0; from < bytes.length; from += step) {
        got.push(...Result.getOrThrow(reader.push(bytes.subarray(from, from + step))))
      }
      assert.deepStrictEqual(got.map(hex), messages.map(hex))
      assert.isFalse(reader.pending)
    }
    const reader = new PageApi.FrameReader(10)
    assert.isTrue(Result.isFailure(reader.push(PageApi.frame(new Uint8Array(11)))))
    assert.isTrue(Result.isFailure(new PageApi.FrameReader().push(Uint8Array.from([1, 0, 0, 0, 0]))))
  })

  it("escapes status messages", () => {
    const text = 'LSN 0/16B9188: 100 % "größer"'
    const sent = PageApi.encodeStatusMessage(text)
    assert.match(sent, /^[ -~]*$/)
    assert.strictEqual(PageApi.decodeStatusMessage(sent), text)
    assert.strictEqual(PageApi.decodeStatusMessage("50 % off"), "50 % off")
  })

  it("rejects messages that are cut or odd", () => {
    for (const text of ["08", "0aff", "0a0501", "03"]) {
      assert.isTrue(Result.isFailure(PageApi.decodeGetBaseBackupRequest(Buffer.from(text, "hex"))), text)
    }
  })
})
