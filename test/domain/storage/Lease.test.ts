import { assert, describe, it } from "@effect/vitest"
import { renewalPause, retryPause } from "../../../src/domain/storage/Lease.ts"

describe("LSN lease", () => {
  it.each([
    [600, 540],
    [100, 50],
    [14, 7],
    [120, 60],
    [1, 1],
    [-5, 1]
  ])("valid for %i s is renewed after %i s", (valid, pause) => {
    assert.strictEqual(renewalPause(1_000_000, 1_000_000 + valid * 1000), pause * 1000)
  })

  it("is asked for again after growing pauses up to a minute", () => {
    assert.deepStrictEqual(
      Array.from({ length: 14 }, (_, failures) => retryPause(failures)),
      [...[500, 750, 1125, 1687, 2531, 3796, 5695, 8542, 12814, 19221, 28832, 43248, 60000, 60000]]
    )
  })
})
