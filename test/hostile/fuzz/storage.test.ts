/**
 * What storage sends: frames of the Postgres protocol, messages of gRPC, and the pid file of a postmaster.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { isReady, pidOf } from "../../../src/domain/postgres/PostmasterPid.ts"
import * as PageApi from "../../../src/domain/storage/PageApi.ts"
import { decodeAgentMessage, decodeVersionRange } from "../../../src/domain/vmmonitor/Protocol.ts"
import * as Messages from "../../../src/emulator/wire/pgMessages.ts"
import { dataRow, errorFields, FrameReader } from "../../../src/layers/sql/wire/Frames.ts"
import { divided, fuzz, limit, mutated } from "../../rig/fuzz.ts"

const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 5 })

const answers = [
  Buffer.concat([Messages.authenticationOk, Messages.parameter("client_encoding", "UTF8"), Messages.ready]),
  Buffer.concat([Messages.rowDescription([["a", "text"]]), Messages.dataRow(["0/1", null]), Messages.complete("X")]),
  Buffer.concat([Messages.copyOut, Messages.copyData(Buffer.alloc(300)), Messages.copyDone, Messages.complete("X")]),
  Messages.error("XX000", "not found")
]

describe("frames of the Postgres protocol", () => {
  it(
    "are cut the same wherever the network cuts, and held up to their limit",
    async () => {
      await fuzz(fc.tuple(mutated(answers), cuts), ([bytes, sizes]) => {
        const read = (pieces: ReadonlyArray<Buffer>) => {
          const reader = new FrameReader()
          const seen: Array<string> = []
          for (const piece of pieces) {
            const { fault, frames } = reader.push(piece)
            for (const { body, type } of frames) {
              seen.push(`${type} ${body.length}`)
              if (type === "E") errorFields(body)
              if (type === "D") dataRow(body)
            }
            if (fault !== null) return [...seen, fault.message]
            assert.isAtMost(reader.pending, bytes.length)
          }
          return seen
        }
        assert.deepStrictEqual(read(divided(bytes, sizes)), read([bytes]))
      })
    },
    limit
  )
})

describe("messages of gRPC", () => {
  const sound = [PageApi.encodeBaseBackupChunk(Buffer.from("chunk")), PageApi.encodeLeaseLsnResponse(1_700_000_000_123)]

  it(
    "are decoded or refused",
    async () => {
      await fuzz(mutated(sound), (bytes) => {
        PageApi.decodeBaseBackupChunk(bytes)
        const lease = PageApi.decodeLeaseLsnResponse(bytes)
        if (lease._tag === "Success") assert.isTrue(Number.isFinite(lease.success))
        PageApi.decodeStatusMessage(bytes.toString("latin1"))
      })
    },
    limit
  )
})

describe("a pid file", () => {
  const sound = [Buffer.from("4711\n/data\n1700000000\n5432\n/tmp\n127.0.0.1\n  1 2\nready   \n")]

  it(
    "names a process that can be one, or none",
    async () => {
      await fuzz(mutated(sound), (bytes) => {
        const text = bytes.toString("utf8")
        const pid = pidOf(text)
        assert.isTrue(pid === null || (Number.isSafeInteger(pid) && pid > 0 && pid < 2 ** 31), `${pid}`)
        isReady(text)
      })
    },
    limit
  )
})

describe("frames of the autoscaling agent", () => {
  const sound = [
    '{"min":1,"max":1}',
    '{"type":"HealthCheck","content":{},"id":2}',
    '{"type":"DownscaleRequest","content":{"target":{"cpu":0.5,"mem":1024}},"id":4}'
  ]

  it(
    "are decoded or refused",
    async () => {
      await fuzz(mutated(sound.map((text) => Buffer.from(text))), (bytes) => {
        decodeVersionRange(bytes.toString("utf8"))
        const decoded = decodeAgentMessage(bytes.toString("utf8"))
        if (decoded._tag === "Success") assert.isTrue(Number.isSafeInteger(decoded.success.id))
      })
    },
    limit
  )
})
