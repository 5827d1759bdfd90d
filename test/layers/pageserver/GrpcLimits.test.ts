/**
 * Pageservers that speak gRPC, but say too much.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { encodeBaseBackupChunk, encodeLeaseLsnResponse, frame } from "../../../src/domain/storage/PageApi.ts"
import { concat, varintField } from "../../../src/domain/storage/Protobuf.ts"
import { openClient } from "../../../src/layers/storage/pageserver/GrpcClient.ts"
import { Pageserver } from "../../../src/layers/storage/pageserver/Pageserver.ts"
import { LIMIT } from "../../rig/waits.ts"
import { LSN, storage } from "../storageRig.ts"

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")

const basebackup = (bytes: Uint8Array, repeat?: Uint8Array) =>
  Effect.gen(function* () {
    const rig = yield* storage()
    const again = repeat === undefined ? {} : { repeat: base64(repeat) }
    rig.world.faults = [{ peer: "grpc", action: { do: "raw", bytes: base64(bytes), ...again } }]
    const pageserver = yield* Pageserver
    const { message } = yield* Effect.flatMap(pageserver.basebackup(rig.spec("grpc"), LSN), ({ bytes: all }) =>
      Stream.runDrain(all)
    ).pipe(Effect.flip)
    return message
  }).pipe(Effect.scoped, Effect.provide(Pageserver.layer))

const nothing = frame(encodeBaseBackupChunk(new Uint8Array(0)))
const piece = frame(encodeBaseBackupChunk(Buffer.from("piece")))
const lease = frame(encodeLeaseLsnResponse(1_700_000_000_123))
const head = (flags: number, length: number) => {
  const out = Buffer.alloc(5)
  out[0] = flags
  out.writeUInt32BE(length, 1)
  return out
}

describe("a basebackup by gRPC", () => {
  for (const [what, bytes, repeat, complaint] of [
    ["of empty messages without an end", nothing, nothing, /messages without content/],
    ["of empty messages after a piece", piece, nothing, /messages without content/],
    ["with a message of 2 GB", head(0, 0x7fffffff), undefined, /larger than max|RESOURCE_EXHAUSTED/],
    ["with a message of 5 MB", head(0, 5 * 1024 * 1024), undefined, /larger than max|RESOURCE_EXHAUSTED/],
    [
      "with a compressed message that was not asked for",
      concat([head(1, 4), Buffer.from("abcd")]),
      undefined,
      /status: /
    ],
    [
      "with a million fields",
      frame(concat(Array.from({ length: 1_000_000 }, () => varintField(2, 1n)))),
      undefined,
      /more than 1000 fields/
    ],
    ["with bytes that are no message", frame(Buffer.from([0xff, 0xff, 0xff])), undefined, /invalid/],
    ["that ends inside a message", piece.subarray(0, 7), undefined, /status: /],
    ["with no message at all", new Uint8Array(0), undefined, /no message/]
  ] as const) {
    it.live(
      `${what} fails`,
      () => Effect.map(basebackup(bytes, repeat), (message) => assert.match(message, complaint)),
      LIMIT
    )
  }
})

describe("a lease by gRPC", () => {
  for (const [what, bytes, complaint] of [
    ["answered twice", concat([lease, lease]), /too many answers/],
    ["answered by many empty messages", Buffer.alloc(500), /too many answers/],
    ["not answered", new Uint8Array(0), /no answer/]
  ] as const) {
    it.live(
      `${what} fails at once`,
      () =>
        Effect.gen(function* () {
          const rig = yield* storage()
          rig.world.faults = [{ peer: "grpc", action: { do: "raw", bytes: base64(bytes), close: true } }]
          const pageserver = yield* Pageserver
          const error = yield* Effect.flip(pageserver.leaseLsn(rig.spec("grpc"), LSN))
          assert.match(error.message, complaint)
        }).pipe(Effect.scoped, Effect.provide(Pageserver.layer)),
      LIMIT
    )
  }
})

describe("metadata", () => {
  const answering = (headers: object) =>
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [path.join(import.meta.dirname, "metadataServer.mjs"), JSON.stringify(headers)], {
          stdio: ["ignore", "pipe", "inherit"]
        })
      ),
      (server) => Effect.sync(() => server.kill("SIGKILL"))
    ).pipe(Effect.flatMap((server) => Effect.promise(async () => Number((await once(server.stdout, "data"))[0]))))

  const grpc = { ":status": 200, "content-type": "application/grpc" }
  for (const [what, headers] of [
    ["of 60 KB", { ...grpc, "grpc-status": "5", "grpc-message": "x".repeat(60_000) }],
    [
      "of a thousand names",
      { ...grpc, ...Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`h${at}`, "x"])), "grpc-status": "5" }
    ]
  ] as const) {
    it.live(`${what} fails the call and is not shown whole`, () =>
      Effect.gen(function* () {
        const port = yield* answering(headers)
        const client = yield* openClient(`grpc://127.0.0.1:${port}`, {}, LIMIT)
        const error = yield* Effect.flip(client.unary("/x/Y", new Uint8Array(0), LIMIT))
        assert.isBelow(error.message.length, 5_000)
      })
    )
  }
})
