import { assert, describe, it } from "@effect/vitest"
import { BodyTooLong, readBody } from "../../../src/layers/http/readBody.ts"

async function* chunks(count: number, size: number, given: { count: number } = { count: 0 }) {
  for (; given.count < count; given.count++) yield Buffer.alloc(size, given.count % 256)
}

describe("the body of an answer", () => {
  it("is read up to its limit and not further", async () => {
    assert.strictEqual((await readBody(chunks(0, 0), 10)).length, 0)
    assert.deepStrictEqual([...(await readBody(chunks(3, 2), 6))], [0, 0, 1, 1, 2, 2])
    const given = { count: 0 }
    const failure = await readBody(chunks(1000, 2, given), 6).catch((error: unknown) => error)
    assert.isTrue(failure instanceof BodyTooLong)
    assert.isBelow(given.count, 5)
  })

  it("takes no more memory in small pieces than in large ones", async () => {
    const before = process.memoryUsage().rss
    assert.strictEqual((await readBody(chunks(2_000_000, 1), 4_000_000)).length, 2_000_000)
    assert.isBelow(process.memoryUsage().rss - before, 100 * 1024 * 1024)
  })
})
