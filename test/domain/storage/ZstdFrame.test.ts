import { constants, zstdCompressSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { HEADER, windowLog, windowOf } from "../../../src/domain/storage/ZstdFrame.ts"

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd]
const frame = (...rest: ReadonlyArray<number>) => Buffer.from([...MAGIC, ...rest])

describe("the header of a zstd frame", () => {
  it("tells the window", () => {
    assert.strictEqual(windowOf(frame(0x00, 0x00)), 1024)
    assert.strictEqual(windowOf(frame(0x00, (17 << 3) | 0)), 128 * 1024 * 1024)
    assert.strictEqual(windowOf(frame(0x00, (17 << 3) | 1)), 144 * 1024 * 1024)
    assert.strictEqual(windowOf(frame(0x00, 0xff)), 2 ** 41 + (2 ** 41 / 8) * 7)
  })

  it("of a single segment tells its content's size, behind a dictionary's id", () => {
    assert.strictEqual(windowOf(frame(0x20, 200)), 200)
    assert.strictEqual(windowOf(frame(0x60, 0, 1)), 512)
    assert.strictEqual(windowOf(frame(0xa3, 1, 2, 3, 4, 0, 0, 0, 0x10)), 0x10000000)
    assert.strictEqual(windowOf(frame(0xe0, 0, 0, 0, 0, 1, 0, 0, 0)), 2 ** 32)
  })

  it("is none in other bytes, and none when it is cut", () => {
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(HEADER),
      frame(),
      frame(0),
      frame(0xe0, 0, 0),
      Buffer.from("HTTP/1.1 500")
    ]) {
      assert.isNull(windowOf(bytes))
    }
  })

  it("agrees with the encoder", () => {
    const random = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7919) % 251))
    for (const log of [12, 17, 24]) {
      const window = windowOf(zstdCompressSync(random, { params: { [constants.ZSTD_c_windowLog]: log } })) ?? 0
      assert.isAtMost(windowLog(window), Math.max(log, 19))
      assert.isAtLeast(windowLog(window), Math.min(log, 19))
    }
  })
})
