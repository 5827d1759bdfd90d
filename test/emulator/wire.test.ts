/**
 * The emulated safekeeper and pageserver send what the real ones were recorded to send, message for message.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Lsn from "../../src/domain/spec/Lsn.ts"
import { recorded, startFakeEmulator } from "../rig/emulator.ts"
import { root } from "../rig/postgres.ts"
import { makeKeys, sign } from "../rig/tokens.ts"
import { type Backend, copied, exchange, message, recordedForm, startup, texts } from "./rawPg.ts"

const tenant = "b0554b632bd4d547a63b86c3630317e8"
const timeline = "1e8a3f1d2c4b5a69788796a5b4c3d2e1"
const wire: Record<string, ReadonlyArray<readonly [string, string]>> = JSON.parse(
  fs.readFileSync(path.join(root, "test/golden/storage/wire.json"), "utf8")
)

const query = (text: string) => message("Q", `${text}\0`)
const skStartup = (of: string, more: Record<string, string> = {}) =>
  startup({ client_encoding: "UTF8", user: "no_user", options: `-c timeline_id=${of} tenant_id=${tenant}`, ...more })
const psStartup = startup({
  client_encoding: "UTF8",
  user: "no_user",
  options: "-c neon.compute_mode=primary",
  application_name: "compute_ctl"
})
const readies = (count: number) => (all: ReadonlyArray<Backend>) =>
  all.filter(({ type }) => type === "Z").length >= count
const lsn = Lsn.fromBigInt(0x1511b00n)

describe("wire", () => {
  for (const [name, expected] of Object.entries(wire)) {
    it.live(name, () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator({ content: recorded, lsn })
        const at = name.indexOf(": ")
        const [peer = "", text = ""] = [name.slice(0, at), name.slice(at + 2)]
        const isSafekeeper = peer.startsWith("safekeeper")
        const address = isSafekeeper ? emulator.addresses.safekeepers[0] : emulator.addresses.pageservers[0]
        const hello = isSafekeeper ? skStartup(peer.replace("safekeeper timeline ", "")) : psStartup
        const { messages } = yield* exchange(address ?? "", [hello, query(text)], readies(2))
        const want = expected.map(([type, body]) => [type, body.replace(/\r\d{13}/, "N")] as const)
        assert.deepStrictEqual(recordedForm(messages), want)
      })
    )
  }

  it.live("the archives arrive byte for byte, compressed or not, by either protocol", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator({ content: recorded, lsn })
      const [address = ""] = emulator.addresses.pageservers
      const command = `basebackup ${tenant} ${timeline} --gzip`
      const primary = yield* exchange(address, [psStartup, query(command)], readies(2))
      assert.isTrue(copied(primary.messages).equals(fs.readFileSync(recorded.primary)))
      const execute = Buffer.concat([
        message("P", `s0\0${command} --replica\0\0\0`),
        message("D", "Ss0\0"),
        message("S"),
        message("B", Buffer.from("\0s0\0\0\0\0\0\0\0")),
        message("E", Buffer.from("\0\0\0\0\0")),
        message("S")
      ])
      const replica = yield* exchange(address, [psStartup, execute], readies(3))
      assert.strictEqual(
        recordedForm(replica.messages)
          .map(([type]) => type[0])
          .join(""),
        "RSSSZ1tnZ2HdcCZ"
      )
      assert.isTrue(copied(replica.messages).equals(fs.readFileSync(recorded.replica)))
      const plain = yield* exchange(address, [psStartup, query(`basebackup ${tenant} ${timeline} latest`)], readies(2))
      assert.strictEqual(copied(plain.messages).length % 512, 0)
      assert.deepStrictEqual(
        emulator.world.asked.filter(({ what }) => what === "query").map(({ detail }) => detail["protocol"]),
        ["simple", "extended", "simple"]
      )
    })
  )

  it.live("commands are read as strictly as by the original", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator({ lsn })
      const [address = ""] = emulator.addresses.pageservers
      const say = (text: string) =>
        Effect.map(exchange(address, [psStartup, query(text)], readies(2)), ({ messages }) =>
          texts(messages, "E").map((body) => body.slice("SERROR\0CXX000\0M".length, -2))
        )
      const t = `${tenant} ${timeline}`
      const cases: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
        [`basebackup ${t} --gzip 0/16B9188`, ["invalid parameter for basebackup command: 0/16B9188"]],
        [`basebackup ${t} --gzip --gzip`, ["duplicate parameter for basebackup command: --gzip"]],
        [`BASEBACKUP ${t} latest`, []],
        [`basebackup ${tenant}`, [`invalid number of parameters for basebackup command: ${tenant}`]],
        [`basebackup ${t} --what`, ["invalid parameter for basebackup command: --what"]],
        [`lease what ${t} 0/10`, [`invalid lease command: what ${t} 0/10`]],
        [`lease lsn ${tenant}-0102 ${timeline} 0/10 `, []],
        ["tango at night", ["unsupported command tango at night"]],
        ["set a to b", []]
      ]
      for (const [text, errors] of cases) assert.deepStrictEqual(yield* say(text), errors, text)
      const { messages } = yield* exchange(
        address,
        [psStartup, query(`lease lsn ${t} 0/10`), query(`lease lsn ${"1".repeat(32)} ${timeline} 0/10`)],
        readies(3)
      )
      assert.include(texts(messages, "E")[0], "reconnect to switch tenant id")
    })
  )

  it.live("encryption is turned down, and tokens are asked for when there is a key", () =>
    Effect.gen(function* () {
      const keys = makeKeys()
      const emulator = yield* startFakeEmulator({ lsn, tokenKey: keys })
      const [address = ""] = emulator.addresses.safekeepers
      const ssl = Buffer.from("0000000804d2162f", "hex")
      const hello = skStartup(timeline)
      const password = (token: string) => message("p", `${token}\0`)
      const refused = yield* exchange(address, [
        hello,
        password(sign({ scope: "tenant", tenant_id: tenant }, makeKeys()))
      ])
      assert.deepStrictEqual(recordedForm(refused.messages), [
        ["R", "\0\0\0\u0003"],
        ["E", "SERROR\0CXX000\0MJWT authentication error\0\0"]
      ])
      const token = emulator.addresses.storage_token ?? ""
      const accepted = yield* exchange(address, [hello, password(token), query("TIMELINE_STATUS")], readies(2))
      assert.deepStrictEqual(
        accepted.messages.map(({ type }) => type),
        ["R", "R", "S", "Z", "T", "D", "C", "Z"]
      )
      const other = sign({ scope: "tenant", tenant_id: "1".repeat(32) }, keys)
      const wrong = yield* exchange(address, [hello, password(other), query("TIMELINE_STATUS")], readies(2))
      assert.deepStrictEqual(texts(wrong.messages, "E"), ["SERROR\0CXX000\0MJWT authentication error\0\0"])
      const old = sign({ scope: "tenant", tenant_id: tenant, exp: 1000 }, keys)
      const expired = yield* exchange(address, [hello, password(old)])
      assert.lengthOf(texts(expired.messages, "E"), 1)
      const open = yield* startFakeEmulator({ lsn })
      const gss = Buffer.from("0000000804d21630", "hex")
      const turned = yield* exchange(open.addresses.pageservers[0] ?? "", [ssl, gss, psStartup, message("X")])
      assert.strictEqual(turned.rest.subarray(0, 3).toString(), "NNR")
    })
  )

  it.live("a safekeeper says what is missing and what it does not know", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator({ lsn })
      const [address = ""] = emulator.addresses.safekeepers
      const bare = startup({ user: "no_user" })
      const answers = yield* exchange(
        address,
        [bare, query("TIMELINE_STATUS"), query("timeline_status"), query("SET datestyle TO 'ISO'")],
        readies(4)
      )
      assert.deepStrictEqual(
        texts(answers.messages, "E").map((body) => body.slice("SERROR\0CXX000\0M".length, -2)),
        ["tenantid is required", "unsupported command timeline_status"]
      )
      assert.deepStrictEqual(texts(answers.messages, "C"), ["SELECT 1\0"])
      const system = yield* exchange(address, [skStartup(timeline), query("IDENTIFY_SYSTEM")], readies(2))
      assert.include(texts(system.messages, "D")[0], "0/1511B00")
    })
  )
})

describe("START_WAL_PUSH", () => {
  const u32 = (value: number) => Buffer.from(value.toString(16).padStart(8, "0"), "hex")
  const u64 = (value: number) => Buffer.from(value.toString(16).padStart(16, "0"), "hex")
  const copy = (...parts: ReadonlyArray<Buffer | string>) =>
    message("d", Buffer.concat(parts.map((part) => Buffer.from(part))))
  const greeting = copy("g", `${tenant}\0${timeline}\0`, u32(0), u32(0), u32(0), u32(150000), u64(0), u32(16777216))
  const push = query("START_WAL_PUSH (proto_version '3', allow_timeline_creation 'true')")
  const voteRequest = (term: number) => copy("v", u32(0), u64(term))

  it.live("lets a proposer find all members level, elect itself and append", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator({ lsn })
      const [, address = ""] = emulator.addresses.safekeepers
      const heartbeat = (term: number, end: number) =>
        copy("a", u32(0), u64(term), u64(0x1511b00), u64(end), u64(end), u64(0x1511b00))
      const elected = copy("e", u32(0), u64(2), u64(0x1511b00), u32(1), u64(1), u64(0x1511b00))
      const { messages } = yield* exchange(
        address,
        [skStartup(timeline), push, greeting, voteRequest(2), voteRequest(2), elected, heartbeat(2, 0x1511c00)],
        (all) => all.length >= 10
      )
      assert.deepStrictEqual(
        messages.map(({ type }) => type),
        ["R", "S", "S", "S", "Z", "W", "d", "d", "d", "d"]
      )
      const [greeted, given, again, appended] = messages.slice(6).map(({ body }) => body.toString("hex"))
      const hex = (...parts: ReadonlyArray<Buffer | string>) =>
        Buffer.concat(parts.map((part) => Buffer.from(part))).toString("hex")
      assert.strictEqual(greeted, hex("g", u64(2), u32(0), u32(0), u32(0), u64(1)))
      const log = [u64(0x1511b00), u64(0x1511b00), u32(1), u64(1), u64(0x1511b00)]
      assert.strictEqual(given, hex("v", u32(0), u64(2), "\u0001", ...log))
      assert.strictEqual(again, hex("v", u32(0), u64(2), "\0", ...log))
      assert.strictEqual(appended, hex("a", u32(0), u64(2), u64(0x1511c00), u64(0x1511c00), u64(0), u64(0), u64(0)))
      assert.strictEqual(emulator.world.timeline(tenant, timeline)?.members.get(1)?.commit, Lsn.fromBigInt(0x1511c00n))
    })
  )
})
