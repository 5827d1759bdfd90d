/**
 * The HTTP peers, the control port, and the faults of the libpq doors.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Lsn from "../../src/domain/spec/Lsn.ts"
import type { Fault } from "../../src/emulator/Fault.ts"
import { recorded, startFakeEmulator } from "../rig/emulator.ts"
import { type Answer, http } from "../rig/http.ts"
import { tempDir } from "../rig/postgres.ts"
import { makeKeys, sign } from "../rig/tokens.ts"
import { type Backend, copied, exchange, message, startup, texts } from "./rawPg.ts"

const tenant = "b0554b632bd4d547a63b86c3630317e8"
const timeline = "1e8a3f1d2c4b5a69788796a5b4c3d2e1"
const portOf = (address: string) => Number(address.slice(address.lastIndexOf(":") + 1))
const ask = (address: string, method: string, where: string, token?: string, body?: string | Buffer) =>
  http({
    method,
    port: portOf(address),
    path: where,
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    ...(body === undefined ? {} : { body })
  })
const status = (answer: Effect.Effect<Answer, unknown>) => Effect.map(answer, (got) => got.status)

describe("EndpointStorage", () => {
  it.live("opens keys to the tokens made for them", () =>
    Effect.gen(function* () {
      const keys = makeKeys()
      const emulator = yield* startFakeEmulator({ tokenKey: keys })
      const address = emulator.addresses.endpoint_storage
      const claims = { tenant_id: tenant, timeline_id: timeline, endpoint_id: "ep-a" }
      const token = sign({ ...claims, exp: Math.floor(Date.now() / 1000) + 60 }, keys)
      const key = `/${tenant}/${timeline}/ep-a/lfc_state`
      const mine = (method: string, body?: string | Buffer) => ask(address, method, key, token, body)
      assert.strictEqual(yield* status(mine("GET")), 404)
      assert.strictEqual(yield* status(mine("PUT", "state")), 200)
      const got = yield* mine("GET")
      assert.deepStrictEqual(
        [got.status, got.headers["content-type"], got.body],
        [200, "application/octet-stream", "state"]
      )
      const other = sign({ ...claims, endpoint_id: "ep-b" }, keys)
      assert.strictEqual(yield* status(ask(address, "GET", key, other)), 200)
      assert.strictEqual(yield* status(ask(address, "PUT", key, other, "x")), 401)
      assert.strictEqual(yield* status(ask(address, "GET", key, sign({ ...claims, tenant_id: "1" }, keys))), 401)
      assert.strictEqual(yield* status(ask(address, "GET", key)), 400)
      assert.strictEqual(yield* status(ask(address, "GET", key, sign(claims, makeKeys()))), 400)
      assert.strictEqual(yield* status(ask(address, "GET", key, sign({ ...claims, exp: 1 }, keys))), 400)
      assert.strictEqual(yield* status(mine("PUT", Buffer.alloc(2 * 1024 * 1024 + 1))), 413)
      assert.strictEqual(yield* status(mine("POST", "x")), 405)
      assert.strictEqual(yield* status(ask(address, "DELETE", `/${tenant}/${timeline}/ep-a`, token)), 200)
      assert.strictEqual(yield* status(mine("GET")), 404)
      assert.strictEqual(yield* status(ask(address, "GET", "/status")), 200)
    })
  )
})

describe("ControlPlane, ExtensionStore", () => {
  it.live("answer what was put there", () =>
    Effect.gen(function* () {
      const folder = yield* tempDir()
      fs.mkdirSync(path.join(folder, "latest/amd64/v17/extensions"), { recursive: true })
      fs.writeFileSync(path.join(folder, "latest/amd64/v17/extensions/anon.tar.zst"), "zstd")
      const { addresses, world } = yield* startFakeEmulator({ extensions: folder })
      const where = "/compute/api/v2/computes/compute-rig/spec"
      assert.strictEqual(yield* status(ask(addresses.control_plane, "GET", where, "t")), 404)
      yield* ask(
        addresses.control,
        "POST",
        "/spec",
        undefined,
        JSON.stringify({ body: { status: "empty", spec: null } })
      )
      const answer = yield* ask(addresses.control_plane, "GET", where, "t")
      assert.deepStrictEqual([answer.status, answer.body], [200, '{"status":"empty","spec":null}'])
      world.faults = [
        { peer: "control", times: 1, action: { do: "error", code: "503", message: "busy" } },
        { peer: "control", skip: 1, times: 1, action: { do: "error", code: "502", message: "gateway" } }
      ]
      const codes = yield* Effect.replicateEffect(status(ask(addresses.control_plane, "GET", where, "t")), 3)
      assert.deepStrictEqual(codes, [503, 502, 200])
      const store = (file: string) => ask(addresses.remote_extensions, "GET", file)
      assert.strictEqual((yield* store("/latest/amd64/v17/extensions/anon.tar.zst")).body, "zstd")
      assert.strictEqual((yield* store("/latest/amd64/v17/extensions/none.tar.zst")).status, 404)
      assert.strictEqual((yield* store("/%2e%2e/%2e%2e/etc/passwd")).status, 404)
      assert.deepStrictEqual(
        world.asked.filter(({ peer }) => peer === "control").map(({ text, detail }) => [text, detail["authorization"]]),
        Array.from({ length: 5 }, () => [`GET ${where}`, "Bearer t"])
      )
    })
  )
})

describe("the control port", () => {
  it.live("takes faults and positions, and tells what was asked", () =>
    Effect.gen(function* () {
      const { addresses, world } = yield* startFakeEmulator()
      const control = (method: string, where: string, body?: unknown) =>
        ask(addresses.control, method, where, undefined, body === undefined ? undefined : JSON.stringify(body))
      assert.deepStrictEqual(JSON.parse((yield* control("GET", "/addresses")).body), addresses)
      const fault: Fault = {
        peer: "safekeeper",
        member: 1,
        times: 1,
        action: { do: "lsn", flush: "0/20", commit: "0/18" }
      }
      assert.strictEqual((yield* control("POST", "/faults", fault)).status, 200)
      assert.strictEqual((yield* control("POST", "/faults", [{ peer: "sync", action: { do: "silence" } }])).status, 200)
      assert.lengthOf(world.faults, 2)
      const wrong = yield* control("POST", "/faults", { peer: "nobody", action: { do: "silence" } })
      assert.strictEqual(wrong.status, 400)
      assert.include(wrong.body, '["peer"]')
      const positions = function* (member: number) {
        const { messages } = yield* exchange(
          addresses.safekeepers[member] ?? "",
          [startup({ options: `-c timeline_id=${timeline} tenant_id=${tenant}` }), message("Q", "TIMELINE_STATUS\0")],
          (all) => all.filter(({ type }) => type === "Z").length > 1
        )
        return texts(messages, "D")[0]?.match(/[0-9A-F]+\/[0-9A-F]+/g)
      }
      assert.deepStrictEqual(yield* positions(1), ["0/20", "0/18"])
      assert.deepStrictEqual(yield* positions(1), ["0/1800000", "0/1800000"])
      yield* control("POST", "/lsn", { member: 2, flush: "1/0", commit: "0/30" })
      assert.deepStrictEqual(yield* positions(2), ["1/0", "0/30"])
      yield* control("POST", "/lsn", { commit: "0/40" })
      assert.deepStrictEqual(yield* positions(2), ["0/40", "0/40"])
      const asked = JSON.parse((yield* control("GET", "/asked?peer=safekeeper")).body)
      assert.lengthOf(asked, 8)
      const made = yield* control("POST", "/timelines", { tenant_id: tenant, timeline_id: "2".repeat(32) })
      assert.strictEqual(made.status, 201)
      assert.strictEqual(world.timeline(tenant, "2".repeat(32))?.commit, Lsn.fromBigInt(0x40n))
      assert.strictEqual(
        (yield* control("DELETE", "/timelines", { tenant_id: tenant, timeline_id: timeline })).status,
        200
      )
      assert.isNull((yield* positions(0)) ?? null)
      assert.strictEqual((yield* control("DELETE", "/faults")).status, 200)
      assert.deepStrictEqual(world.faults, [])
      assert.include((yield* control("GET", "/nothing")).body, "GET    /asked")
    })
  )
})

describe("faults of the pageserver", () => {
  it.live("strike where they are told to", () =>
    Effect.gen(function* () {
      const { addresses, world } = yield* startFakeEmulator({ content: recorded })
      const whole = fs.readFileSync(recorded.primary)
      const query = message("Q", `basebackup ${tenant} ${timeline} --gzip\0`)
      const enough = (all: ReadonlyArray<Backend>) => all.filter(({ type }) => type === "Z").length > 1
      const faulty = (action: Fault["action"]) => {
        world.faults = [{ peer: "pageserver", match: "basebackup", times: 1, action }]
        return exchange(addresses.pageservers[0] ?? "", [startup({ user: "x" }), query], enough)
      }
      const types = (messages: ReadonlyArray<Backend>) =>
        messages
          .slice(5)
          .map(({ type }) => type)
          .join("")
          .replace(/d+/, "d")
      const early = yield* faulty({ do: "error", code: "57P01", message: "shutdown" })
      assert.deepStrictEqual(texts(early.messages, "E"), ["SERROR\0C57P01\0Mshutdown\0\0"])
      assert.strictEqual(types(early.messages), "EZ")
      const late = yield* faulty({ do: "error", code: "XX000", message: "lost", after: 30_000 })
      assert.strictEqual(types(late.messages), "HdEZ")
      assert.isTrue(copied(late.messages).equals(whole.subarray(0, 30_000)))
      const cut = yield* faulty({ do: "cut", after: 10 })
      assert.strictEqual(types(cut.messages).slice(0, 1), "H")
      assert.notInclude(types(cut.messages), "Z")
      const corrupt = yield* faulty({ do: "corrupt", at: 40_000 })
      assert.strictEqual(types(corrupt.messages), "HdcCZ")
      assert.notStrictEqual(copied(corrupt.messages)[40_000], whole[40_000])
      assert.strictEqual(types((yield* faulty({ do: "missing" })).messages), "EZ")
      assert.include(texts((yield* faulty({ do: "denied" })).messages, "E")[0], "JWT authentication error")
      assert.lengthOf((yield* faulty({ do: "refuse" })).messages, 0)
      assert.strictEqual((yield* faulty({ do: "silence" }).pipe(Effect.timeoutOption(150)))._tag, "None")
      assert.strictEqual((yield* faulty({ do: "silence", after: 100 }).pipe(Effect.timeoutOption(150)))._tag, "None")
      const before = Date.now()
      const delayed = yield* faulty({ do: "delay", ms: 120 })
      assert.isAtLeast(Date.now() - before, 119)
      assert.isTrue(copied(delayed.messages).equals(whole))
      const slow = yield* faulty({ do: "slow", bytesPerSecond: 400_000 })
      assert.isTrue(copied(slow.messages).equals(whole))
      for (const known of world.timelines.values()) known.gcCutoff = Lsn.fromBigInt(0x1800000n)
      const behind = yield* exchange(
        addresses.pageservers[0] ?? "",
        [
          startup({ user: "x" }),
          message("Q", `basebackup ${tenant} ${timeline} 0/17FFFFF\0`),
          message("Q", `lease lsn ${tenant} ${timeline} 0/17FFFFF \0`)
        ],
        (all) => all.filter(({ type }) => type === "Z").length > 2
      )
      assert.include(
        texts(behind.messages, "E")[0],
        "invalid basebackup lsn: LSN 0/17FFFFF is earlier than latest GC cutoff"
      )
      assert.deepStrictEqual(texts(behind.messages, "D"), ["\0\u0001ÿÿÿÿ"])
    })
  )
})
