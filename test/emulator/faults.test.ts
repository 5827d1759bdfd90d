import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as Lsn from "../../src/domain/spec/Lsn.ts"
import * as Fault from "../../src/emulator/Fault.ts"
import { parse } from "../../src/emulator/peers/pageCommand.ts"
import { parseOptions } from "../../src/emulator/peers/Safekeeper.ts"
import * as Delivery from "../../src/emulator/wire/Delivery.ts"
import * as tar from "../../src/emulator/wire/tar.ts"

const silence = { do: "silence" } as const

describe("faults", () => {
  it("count requests down and then are gone", () => {
    let faults: ReadonlyArray<Fault.Fault> = [
      { peer: "pageserver", skip: 1, times: 2, match: "basebackup", action: silence },
      { peer: "safekeeper", member: 2, action: { do: "missing" } }
    ]
    const ask = (peer: Fault.Peer, member: number, request: string) => {
      const { actions, left } = Fault.take(faults, (fault) => Fault.fits(fault, peer, member, request))
      faults = left
      return actions.map((action) => action.do)
    }
    assert.deepStrictEqual(ask("pageserver", 0, "lease lsn"), [])
    assert.deepStrictEqual(ask("pageserver", 0, "basebackup a"), [])
    assert.deepStrictEqual(ask("pageserver", 1, "basebackup a"), ["silence"])
    assert.deepStrictEqual(ask("safekeeper", 1, "TIMELINE_STATUS"), [])
    assert.deepStrictEqual(ask("safekeeper", 2, "TIMELINE_STATUS"), ["missing"])
    assert.deepStrictEqual(ask("pageserver", 0, "basebackup a"), ["silence"])
    assert.deepStrictEqual(ask("pageserver", 0, "basebackup a"), [])
    assert.deepStrictEqual(faults, [{ peer: "safekeeper", member: 2, action: { do: "missing" } }])
  })

  it("are data: what is written is what is read", () => {
    const decode = Schema.decodeUnknownResult(Fault.Faults)
    for (const fault of [
      { peer: "grpc", action: { do: "error", code: "UNAVAILABLE", message: "x" } },
      [{ peer: "sync", times: 1, action: { do: "print", stdout: "", exit: 3 } }]
    ]) {
      assert.deepStrictEqual<unknown>(decode(fault), Result.succeed(fault))
    }
    for (const wrong of [{ peer: "x", action: silence }, { peer: "grpc", action: { do: "dance" } }, { peer: "grpc" }]) {
      assert.isTrue(Result.isFailure(decode(wrong)))
    }
  })

  it("shape the answer's bytes", () => {
    const bytes = Buffer.from("0123456789")
    assert.isTrue(Delivery.isPlain(Delivery.plan(bytes, [{ do: "delay", ms: 1 }]), bytes))
    const cut = Delivery.plan(bytes, [{ do: "cut", after: 4 }])
    assert.deepStrictEqual([cut.bytes.toString(), cut.ending._tag], ["0123", "Cut"])
    const beyond = Delivery.plan(bytes, [{ do: "cut", after: 40 }])
    assert.deepStrictEqual([beyond.bytes.length, beyond.ending._tag], [10, "Cut"])
    const late = Delivery.plan(bytes, [
      { do: "error", code: "c", message: "m", after: 2 },
      { do: "corrupt", at: 1 }
    ])
    assert.deepStrictEqual(late.ending, { _tag: "Error", code: "c", message: "m" })
    assert.deepStrictEqual(Array.from(late.bytes), [0x30, 0xce])
    assert.strictEqual(bytes.toString(), "0123456789")
  })
})

describe("tar", () => {
  it("is what GNU tar reads", () => {
    const big = Buffer.alloc(1025, "x")
    const bytes = tar.archive(
      [
        { kind: "directory", name: "base" },
        { kind: "file", name: "base/empty", body: Buffer.alloc(0) },
        { kind: "file", name: "base/big", body: big }
      ],
      86_400
    )
    assert.strictEqual(bytes.length % 512, 0)
    const listed = execFileSync("tar", ["tvf", "-"], {
      input: bytes,
      encoding: "utf8",
      env: { ...process.env, TZ: "UTC" }
    })
    const lines = listed.trim().split("\n")
    assert.deepStrictEqual(
      lines
        .map((line) => line.replace(/\s+/g, " ").split(" "))
        .map(([mode, , size, date, , name]) => [mode, size, date, name]),
      [
        ["drwxr-xr-x", "0", "1970-01-02", "base"],
        ["-rw-------", "0", "1970-01-02", "base/empty"],
        ["-rw-------", "1025", "1970-01-02", "base/big"]
      ]
    )
    assert.isTrue(execFileSync("tar", ["xOf", "-", "base/big"], { input: bytes }).equals(big))
  })
})

describe("what clients send", () => {
  it("startup options are items between white space that no backslash escapes", () => {
    const ids = { tenant: "aa", timeline: "bb" }
    for (const text of [
      "-c timeline_id=bb tenant_id=aa",
      "-c timeline_id=bb -c tenant_id=aa",
      "ztenantid=aa  ztimelineid=bb",
      "-c note=a\\ b tenant_id=aa timeline_id=bb protocol={}"
    ]) {
      assert.deepStrictEqual(parseOptions(text), ids, text)
    }
    assert.deepStrictEqual(parseOptions(""), { tenant: undefined, timeline: undefined })
  })

  it("any text is a command or a refusal", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const query of [text, `basebackup ${text}`, `lease lsn ${text}`]) parse(query)
      })
    )
    const t = "b0554b632bd4d547a63b86c3630317e8"
    const command = parse(`lease lsn ${t}-0104 ${t.toUpperCase()} 0/10 `)
    assert.deepStrictEqual(Result.getOrThrow(command), {
      _tag: "LeaseLsn",
      tenant: t,
      shard: { number: 1, count: 4 },
      timeline: t,
      lsn: Lsn.fromBigInt(16n)
    })
    const full = parse(`fullbackup ${t} ${t} 0/10 0/8`)
    assert.strictEqual(Result.isSuccess(full) && full.success._tag === "Basebackup" && full.success.full, true)
  })
})
