/**
 * Pageservers and safekeepers whose answers have no end.
 */
import { gzipSync } from "node:zlib"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { encodeBaseBackupChunk, frame } from "../../src/domain/storage/PageApi.ts"
import type * as Fault from "../../src/emulator/Fault.ts"
import * as Messages from "../../src/emulator/wire/pgMessages.ts"
import { startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { descriptors, isKnown, peakMemory } from "../rig/resources.ts"
import { pageservers } from "../rig/spec.ts"

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")
const notice = Buffer.concat([Buffer.from("N"), Messages.int32(4 + 13), Buffer.from("SNOTICE\0Mno\0\0")])
const raw = (bytes: Uint8Array, repeat?: Uint8Array): Fault.Action => ({
  do: "raw",
  bytes: base64(bytes),
  ...(repeat !== undefined && { repeat: base64(repeat) })
})
const promised = Buffer.from([0x64, 0x7f, 0xff, 0xff, 0xff])
const zeros = gzipSync(Buffer.alloc(8 * 1024 * 1024))

/** Two tries instead of eleven. */
const env = { NEON_COMPUTE_TESTING_BASEBACKUP_RETRIES: "1" }
const LIMIT = 300_000
const MOST_MEMORY = 600

for (const [what, fault, reason] of [
  [
    "greets with notices without an end",
    { match: "startup", action: raw(notice, notice) },
    /messages without an answer/
  ],
  [
    "greets with a message of 2 GB",
    { match: "startup", action: raw(Buffer.from([0x52, 0x7f, 0xff, 0xff, 0xff])) },
    /invalid message length/
  ],
  [
    "answers with notices without an end",
    { match: "basebackup", action: raw(notice, notice) },
    /messages without an answer/
  ],
  [
    "sends empty pieces without an end",
    { match: "basebackup", action: raw(Messages.copyOut, Messages.copyData(Buffer.alloc(0))) },
    /messages without an answer/
  ],
  [
    "promises a piece of 2 GB",
    { match: "basebackup", action: raw(Buffer.concat([Messages.copyOut, promised]), Buffer.alloc(1000)) },
    /invalid message length/
  ],
  [
    "sends zeros without an end",
    { match: "basebackup", action: raw(Messages.copyOut, Messages.copyData(zeros)) },
    /zeros without an end/
  ],
  [
    "refuses at length",
    { match: "basebackup", action: raw(Messages.error("XX000", "long ".repeat(180_000)), Messages.ready) },
    /long long/
  ]
] as const) {
  it.live(
    `a pageserver that ${what} fails the start with its reason`,
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        emulator.world.faults = [{ peer: "pageserver", ...fault }]
        const compute = yield* startCompute({ emulator, env })
        const failed = yield* compute.waitFor("failed")
        assert.match(compute.log(), reason)
        assert.isBelow(String(failed["error"]).length, 10_000)
        assert.isBelow(
          Math.max(
            ...compute
              .log()
              .split("\n")
              .map(({ length }) => length)
          ),
          10_000
        )
        if (isKnown) {
          assert.isBelow(peakMemory(compute.pid), MOST_MEMORY)
          // What is left is of the program itself, and one connection of the rig.
          assert.isBelow(descriptors(compute.pid).filter((name) => name === "socket").length, 12)
        }
      }),
    LIMIT
  )
}

it.live(
  "a pageserver that sends nothing by gRPC, without an end, fails the start with its reason",
  () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      const nothing = frame(encodeBaseBackupChunk(new Uint8Array(0)))
      emulator.world.faults = [{ peer: "grpc", match: "GetBaseBackup", action: raw(nothing, nothing) }]
      const compute = yield* startCompute({
        emulator,
        env,
        spec: { pageserver_connstring: null, ...pageservers(emulator.addresses, "grpc") }
      })
      yield* compute.waitFor("failed")
      assert.match(compute.log(), /messages without content/)
      if (isKnown) assert.isBelow(peakMemory(compute.pid), MOST_MEMORY)
    }),
  LIMIT
)

it.live(
  "safekeepers that answer without an end are asked another way",
  () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      const row = Messages.dataRow(["0/1", "0/1"])
      emulator.world.faults = [
        { peer: "safekeeper", times: 1, member: 0, match: "TIMELINE_STATUS", action: raw(row, row) },
        { peer: "safekeeper", times: 1, member: 1, match: "startup", action: raw(notice, notice) },
        { peer: "safekeeper", times: 1, member: 2, match: "TIMELINE_STATUS", action: raw(promised) }
      ]
      const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
      yield* compute.waitFor("running")
      assert.isTrue(emulator.world.asked.some(({ peer }) => peer === "sync"))
      if (isKnown) assert.isBelow(peakMemory(compute.pid), MOST_MEMORY)
    }),
  LIMIT
)
