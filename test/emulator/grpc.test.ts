/**
 * The pageserver's gRPC door, spoken to with bare HTTP/2 streams, as the original's client does it.
 */
import * as fs from "node:fs"
import { connect, type IncomingHttpHeaders } from "node:http2"
import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Lsn from "../../src/domain/spec/Lsn.ts"
import * as PageApi from "../../src/domain/storage/PageApi.ts"
import type { Fault } from "../../src/emulator/Fault.ts"
import { replaceAuthority } from "../../src/emulator/peers/authority.ts"
import { recorded, startFakeEmulator } from "../rig/emulator.ts"
import { makeKeys, sign } from "../rig/tokens.ts"

const tenant = "b0554b632bd4d547a63b86c3630317e8"
const timeline = "1e8a3f1d2c4b5a69788796a5b4c3d2e1"
const at = Lsn.fromBigInt(0x16b9188n)
const ids = { "neon-tenant-id": tenant, "neon-timeline-id": timeline, "neon-shard-id": "0000" }

interface Answer {
  readonly head: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders
  readonly messages: ReadonlyArray<Uint8Array>
  readonly isCut: boolean
}

const call = (url: string, path: string, message: Uint8Array, headers: Record<string, string>): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const session = connect(`http://127.0.0.1:${url.slice(url.lastIndexOf(":") + 1)}`)
    session.on("error", () => {})
    const stream = session.request({
      ":method": "POST",
      ":scheme": "grpc",
      ":authority": url.replace("grpc://", ""),
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers
    })
    const reader = new PageApi.FrameReader()
    const messages: Array<Uint8Array> = []
    let head: IncomingHttpHeaders = {}
    let trailers: IncomingHttpHeaders = {}
    let isEnded = false
    stream.on("response", (got) => {
      head = got
    })
    stream.on("trailers", (got) => {
      trailers = got
    })
    stream.on("data", (bytes: Buffer) => messages.push(...Result.getOrThrow(reader.push(bytes))))
    stream.on("end", () => {
      isEnded = true
    })
    stream.on("error", () => {})
    stream.on("close", () => {
      session.destroy()
      resume(Effect.succeed({ head, trailers, messages, isCut: !isEnded || stream.rstCode !== 0 }))
    })
    stream.end(PageApi.frame(message))
    return Effect.sync(() => session.destroy())
  })

const backup = (url: string, more: Partial<PageApi.GetBaseBackupRequest> = {}, headers: Record<string, string> = {}) =>
  call(
    url,
    PageApi.path.getBaseBackup,
    PageApi.encodeGetBaseBackupRequest({ lsn: at, replica: false, full: false, compression: "gzip", ...more }),
    { ...ids, ...headers }
  )

const archive = ({ messages }: Answer): Buffer =>
  Buffer.concat(messages.map((message) => Result.getOrThrow(PageApi.decodeBaseBackupChunk(message))))

/** Status name and text, from the trailers or from a head without a body. */
const status = ({ head, trailers }: Answer): readonly [string, string] => {
  const from = trailers["grpc-status"] === undefined ? head : trailers
  return [
    PageApi.statusName(Number(from["grpc-status"])),
    PageApi.decodeStatusMessage(String(from["grpc-message"] ?? ""))
  ]
}

describe("a header block", () => {
  it("loses its authority and nothing else", () => {
    const literal = (name: number, value: string) =>
      Buffer.concat([Buffer.from([name, value.length]), Buffer.from(value, "latin1")])
    const authority = (value: string) => literal(0x41, value)
    const around = [
      Buffer.from([0x3f, 0xe1, 0x1f, 0x83, 0x84]),
      Buffer.from("\u0000\u0003abc\u0002de"),
      literal(0x04, "/x")
    ]
    const block = (value: string) =>
      Buffer.concat(
        [around[0] ?? "", around[1] ?? "", authority(value), around[2] ?? ""].map((part) => Buffer.from(part))
      )
    const long = "u".repeat(100)
    assert.strictEqual(replaceAuthority(block(`${long}@host`)).toString("hex"), block("emulator").toString("hex"))
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void replaceAuthority(Buffer.from(bytes))))
  })
})

describe("PageserverGrpc", () => {
  it.live("streams the recorded archives", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator({ content: recorded })
      const [url = ""] = emulator.addresses.pageservers_grpc
      const primary = yield* backup(url, {}, { authorization: "Bearer tok" })
      assert.deepStrictEqual(status(primary), ["OK", ""])
      assert.isTrue(archive(primary).equals(fs.readFileSync(recorded.primary)))
      const replica = yield* backup(url, { replica: true, lsn: Lsn.zero })
      assert.isTrue(archive(replica).equals(fs.readFileSync(recorded.replica)))
      const plain = yield* backup(url, { compression: "none" })
      assert.isTrue(archive(plain).equals(gunzipSync(fs.readFileSync(recorded.primary))))
      assert.isTrue(plain.messages.every((message) => message.length <= 256 * 1024 + 8))
      assert.deepStrictEqual(emulator.world.asked[0], {
        peer: "grpc",
        member: 0,
        what: "call",
        text: "GetBaseBackup",
        detail: { lsn: String(at), compression: "gzip", ...ids, authorization: "Bearer tok" }
      })
    })
  )

  it.live("leases until a time, or refuses", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      const [url = ""] = emulator.addresses.pageservers_grpc
      const lease = (lsn: Lsn.Lsn) => call(url, PageApi.path.leaseLsn, PageApi.encodeLeaseLsnRequest(lsn), ids)
      const before = Date.now()
      const granted = yield* lease(at)
      const until = Result.getOrThrow(PageApi.decodeLeaseLsnResponse(granted.messages[0] ?? new Uint8Array()))
      assert.isAtLeast(until, before + 600_000)
      assert.isAtMost(until, Date.now() + 600_000)
      assert.deepStrictEqual(status(yield* lease(Lsn.zero)), ["INVALID_ARGUMENT", "required field 'lsn' is missing"])
      for (const known of emulator.world.timelines.values()) known.gcCutoff = Lsn.fromBigInt(0x1700000n)
      assert.strictEqual(status(yield* lease(at))[0], "FAILED_PRECONDITION")
    })
  )

  it.live("refuses in the words of the original", () =>
    Effect.gen(function* () {
      const keys = makeKeys()
      const emulator = yield* startFakeEmulator({ tokenKey: keys })
      const [url = ""] = emulator.addresses.pageservers_grpc
      const bearer = (claims: object, by = keys) => ({ authorization: `Bearer ${sign(claims, by)}` })
      const good = bearer({ scope: "tenant", tenant_id: tenant })
      const without = (name: string) => Object.fromEntries(Object.entries(ids).filter(([key]) => key !== name))
      const message = PageApi.encodeGetBaseBackupRequest({ lsn: at, replica: false, full: false, compression: "gzip" })
      const missing = yield* call(url, PageApi.path.getBaseBackup, message, without("neon-tenant-id"))
      assert.deepStrictEqual(status(missing), ["INVALID_ARGUMENT", "missing neon-tenant-id"])
      const cases: ReadonlyArray<readonly [Answer, string, string]> = [
        [yield* backup(url), "UNAUTHENTICATED", "no authorization header"],
        [yield* backup(url, {}, { authorization: "Basic x" }), "INVALID_ARGUMENT", "invalid authorization header"],
        [yield* backup(url, {}, bearer({}, makeKeys())), "INVALID_ARGUMENT", "invalid JWT token: InvalidSignature"],
        [
          yield* backup(url, {}, bearer({ scope: "tenant", tenant_id: "1".repeat(32) })),
          "PERMISSION_DENIED",
          "Tenant id mismatch. Permission denied"
        ],
        [
          yield* backup(url, {}, { ...good, "neon-shard-id": "0102" }),
          "INVALID_ARGUMENT",
          "request only valid on shard zero (requested shard 0102)"
        ],
        [yield* backup(url, {}, { ...good, "neon-shard-id": "zz" }), "INVALID_ARGUMENT", "invalid neon-shard-id"],
        [
          yield* backup(url, { compression: "unknown" }, good),
          "INVALID_ARGUMENT",
          "field 'compression' has invalid value 'unknown'"
        ],
        [
          yield* backup(url, {}, { ...good, "neon-timeline-id": "1".repeat(32) }),
          "NOT_FOUND",
          `Timeline ${tenant}/${"1".repeat(32)} was not found`
        ]
      ]
      for (const [answer, name, text] of cases) assert.deepStrictEqual(status(answer), [name, text])
      assert.strictEqual(status(yield* backup(url, {}, good))[0], "OK")
      assert.strictEqual(
        status(yield* call(url, "/page_api.PageService/GetPages", message, { ...ids, ...good }))[0],
        "UNIMPLEMENTED"
      )
    })
  )

  it.live("fails as it is told", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator({ content: recorded })
      const [url = ""] = emulator.addresses.pageservers_grpc
      const whole = fs.readFileSync(recorded.primary)
      const faulty = (action: Fault["action"]) => {
        emulator.world.faults = [{ peer: "grpc", match: "GetBaseBackup", times: 1, action }]
        return backup(url)
      }
      const early = yield* faulty({ do: "error", code: "UNAVAILABLE", message: "later, 100 %" })
      assert.deepStrictEqual(status(early), ["UNAVAILABLE", "later, 100 %"])
      assert.lengthOf(early.messages, 0)
      const late = yield* faulty({ do: "error", code: "INTERNAL", message: "lost", after: 5000 })
      assert.deepStrictEqual(status(late), ["INTERNAL", "lost"])
      assert.isTrue(archive(late).equals(whole.subarray(0, 5000)))
      assert.isTrue((yield* faulty({ do: "cut", after: 5000 })).isCut)
      const corrupt = archive(yield* faulty({ do: "corrupt", at: 700 }))
      assert.strictEqual(corrupt.length, whole.length)
      assert.strictEqual(corrupt[700], ~(whole[700] ?? 0) & 0xff)
      assert.isTrue((yield* faulty({ do: "refuse" })).isCut)
      const silent = yield* faulty({ do: "silence" }).pipe(Effect.timeoutOption("150 millis"))
      assert.strictEqual(silent._tag, "None")
      assert.strictEqual(status(yield* faulty({ do: "missing" }))[0], "NOT_FOUND")
      assert.deepStrictEqual(emulator.world.faults, [])
      assert.isTrue(archive(yield* backup(url)).equals(whole))
    })
  )
})
