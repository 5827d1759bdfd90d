import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import {
  addSample,
  average,
  decideDownscale,
  fileCacheSize,
  type History,
  MIB,
  noHistory,
  parseMemoryStat,
  sizesFor,
  threshold,
  wantsMore
} from "../../../src/domain/vmmonitor/Decisions.ts"
import {
  decodeAgentMessage,
  decodeVersionRange,
  encodeMonitorMessage,
  negotiate
} from "../../../src/domain/vmmonitor/Protocol.ts"

const GIB = 1024 * MIB

describe("vm-monitor's protocol", () => {
  it("agrees on version 1 only", () => {
    assert.deepStrictEqual(negotiate({ min: 1, max: 1 }), { agreed: true, reply: '{"version":1}' })
    assert.isTrue(negotiate({ min: 0, max: 255 }).agreed)
  })

  for (const [min, max, name] of [
    [2, 2, "<unknown: 2>"],
    [3, 1, "<unknown: 3> to v1.0"],
    [0, 0, "<invalid: zero>"],
    [2, 9, "<unknown: 2> to <unknown: 9>"]
  ] as const) {
    it(`refuses ${min} to ${max} with a text, where the original's stack overflowed`, () => {
      assert.deepStrictEqual(negotiate({ min, max }), {
        agreed: false,
        reply: `{"error":"Received protocol version range ${name} which does not overlap with v1.0"}`
      })
    })
  }

  it("knows the agent's messages", () => {
    for (const text of [
      '{"type":"UpscaleNotification","content":{"granted":{"cpu":0.5,"mem":2147483648}},"id":2}',
      '{"type":"DownscaleRequest","content":{"target":{"cpu":0.25,"mem":1073741824}},"id":4}',
      '{"type":"HealthCheck","content":{},"id":6}',
      '{"type":"InvalidMessage","content":{"error":"x"},"id":8}',
      '{"type":"InternalError","content":{"error":"x"},"id":10,"more":1}'
    ]) {
      assert.isTrue(Result.isSuccess(decodeAgentMessage(text)), text)
    }
    for (const text of [
      "",
      "null",
      '{"type":"HealthCheck","id":6}',
      '{"type":"HealthCheck","content":{},"id":-1}',
      '{"type":"HealthCheck","content":{}}',
      '{"type":"Other","content":{},"id":6}',
      '{"type":"UpscaleNotification","content":{"granted":{"cpu":1,"mem":1.5}},"id":2}',
      '{"type":"DownscaleRequest","content":{"target":{"cpu":1}},"id":2}'
    ]) {
      assert.isTrue(Result.isFailure(decodeAgentMessage(text)), text)
    }
  })

  it("survives anything", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        decodeAgentMessage(text)
        const range = decodeVersionRange(text)
        if (Result.isSuccess(range)) negotiate(range.success)
      })
    )
  })

  it("puts its own members beside the type", () => {
    assert.strictEqual(
      encodeMonitorMessage({ type: "DownscaleResult", Ok: true, Status: "done", id: 4 }),
      '{"type":"DownscaleResult","Ok":true,"Status":"done","id":4}'
    )
  })
})

describe("vm-monitor's decisions", () => {
  it("sizes the file cache in whole mebibytes", () => {
    assert.strictEqual(fileCacheSize(256 * MIB), 0)
    assert.strictEqual(fileCacheSize(255 * MIB), 0)
    assert.strictEqual(fileCacheSize(1024 * MIB), 698 * MIB)
    assert.strictEqual(fileCacheSize(8 * GIB), 6144 * MIB)
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 42 }), (memory) => {
        const size = fileCacheSize(memory)
        assert.strictEqual(size % MIB, 0)
        assert.isTrue(size >= 0 && size <= 0.75 * memory)
      })
    )
  })

  it("takes 85 % as threshold, of what is left of a grant", () => {
    assert.strictEqual(threshold(1000), 850)
    assert.deepStrictEqual(sizesFor(1124 * MIB), { threshold: Math.floor(0.85 * 1024 * MIB), fileCache: 698 * MIB })
    assert.deepStrictEqual(sizesFor(MIB), { threshold: 0, fileCache: 0 })
  })

  const history = (...samples: ReadonlyArray<number>): History =>
    samples.reduce((all, sample, index) => addSample(all, sample, 1000 + index * 100), noHistory)

  it("averages the last five samples", () => {
    assert.strictEqual(average(history(1000, 1, 2, 3, 4, 5)), 3)
    assert.strictEqual(average(noHistory), 0)
  })

  it("asks for more at the threshold, once a second, and never on old samples", () => {
    const full = history(100, 100)
    assert.isTrue(wantsMore(full, 100, Number.NEGATIVE_INFINITY, 1100))
    assert.isFalse(wantsMore(full, 101, Number.NEGATIVE_INFINITY, 1100))
    assert.isFalse(wantsMore(full, 100, 500, 1100))
    assert.isTrue(wantsMore(full, 100, 100, 1100))
    assert.isFalse(wantsMore(full, 100, 0, 9000))
    assert.isFalse(wantsMore(noHistory, 0, Number.NEGATIVE_INFINITY, 100))
  })

  const managing = (samples: History, fileCache = true) => ({ cgroup: { history: samples, threshold: 1 }, fileCache })

  it("refuses a downscale it cannot judge, fails on old samples, and grants what fits", () => {
    const decide = (samples: History, target: number, now = 1200) => decideDownscale(managing(samples), target, now)
    assert.strictEqual(decideDownscale({ cgroup: null, fileCache: false }, GIB, 0)._tag, "Unmanaged")
    assert.strictEqual(decideDownscale({ cgroup: null, fileCache: true }, GIB, 0)._tag, "Granted")
    assert.deepStrictEqual(decide(noHistory, GIB), {
      _tag: "Denied",
      status: "haven't received enough cgroup memory stats yet"
    })
    assert.strictEqual(decide(history(5), GIB)._tag, "Denied")
    assert.deepStrictEqual(decide(history(5, 5), GIB, 7000), { _tag: "Stale", ageMs: 5900 })
    assert.strictEqual(decide(history(5, 5), GIB)._tag, "Granted")
    const limit = sizesFor(GIB).threshold
    assert.strictEqual(decide(history(limit - 100 * MIB, limit - 100 * MIB), GIB)._tag, "Granted")
    const denied = decide(history(limit - 100 * MIB + 1, limit - 100 * MIB + 1), GIB)
    assert.match(denied._tag === "Denied" ? denied.status : "", /^calculated memory threshold too low: /)
  })

  it("reads anonymous memory only", () => {
    assert.strictEqual(parseMemoryStat("anon 9\nactive_anon 5\nfile 7\ninactive_anon 6\n"), 11)
    for (const text of ["", "active_anon 5\n", "active_anon x\ninactive_anon 1\n"]) assert.isNull(parseMemoryStat(text))
  })
})
