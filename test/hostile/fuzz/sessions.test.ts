/**
 * Whole sessions with peers that say anything: the clients in this process, and starts of the program. Every answer comes
 * to an end, whatever it says, and lets go of its connection.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import { encodeBaseBackupChunk, encodeLeaseLsnResponse, frame } from "../../../src/domain/storage/PageApi.ts"
import type * as Fault from "../../../src/emulator/Fault.ts"
import { endpointStorage } from "../../../src/emulator/peers/EndpointStorage.ts"
import { World } from "../../../src/emulator/World.ts"
import * as Messages from "../../../src/emulator/wire/pgMessages.ts"
import { EndpointStorage } from "../../../src/layers/storage/endpointStorage/EndpointStorage.ts"
import { Pageserver } from "../../../src/layers/storage/pageserver/Pageserver.ts"
import { check } from "../../../src/layers/storage/safekeepers/check.ts"
import { LSN, storage } from "../../layers/storageRig.ts"
import { startCompute } from "../../rig/compute.ts"
import { startFakeEmulator } from "../../rig/emulator.ts"
import { duration, fuzz, limit, mutated } from "../../rig/fuzz.ts"

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")
const raw = (bytes: Uint8Array): Fault.Action => ({ do: "raw", bytes: base64(bytes), close: true })

const position = Buffer.concat([
  Messages.rowDescription([
    ["flush_lsn", "text"],
    ["commit_lsn", "text"]
  ]),
  Messages.dataRow(["0/1800000", "0/1800000"]),
  Messages.complete("TIMELINE_STATUS"),
  Messages.ready
])
const copied = Buffer.concat([
  Messages.copyOut,
  Messages.copyData(Buffer.from("archive")),
  Messages.copyDone,
  Messages.complete("SELECT 1"),
  Messages.ready
])
const greeting = Buffer.concat([
  Messages.authenticationOk,
  Messages.parameter("client_encoding", "UTF8"),
  Messages.ready
])
const leased = Buffer.concat([
  Messages.rowDescription([["valid_until", "text"]]),
  Messages.dataRow(["1700000000123"]),
  Messages.complete("SELECT 1"),
  Messages.ready
])
const refused = Buffer.concat([Messages.error("XX000", "not found"), Messages.ready])
const called = [
  Buffer.concat([frame(encodeBaseBackupChunk(Buffer.from("piece"))), frame(encodeBaseBackupChunk(Buffer.alloc(900)))]),
  frame(encodeLeaseLsnResponse(1_700_000_000_123))
]
const http = [
  "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
  "HTTP/1.1 307 Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nconnection: close\r\n\r\nlater",
  'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{"status":"attached"}'
].map((text) => Buffer.from(text))

/** Complaints are what is expected. */
const silently = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.provide(effect, Logger.layer([])))

/** Milliseconds of a session whose peer hangs up. */
const HANG = 5000

describe("a session with a peer that says anything", () => {
  it.live(
    "ends: a safekeeper",
    () =>
      Effect.gen(function* () {
        const { spec, world } = yield* storage({ safekeepers: 1 })
        const answers = mutated([position, refused])
        const startups = mutated([greeting, refused])
        yield* Effect.promise(() =>
          fuzz(
            fc.oneof(
              answers.map((bytes): Fault.Fault => ({ peer: "safekeeper", action: raw(bytes) })),
              startups.map((bytes): Fault.Fault => ({ peer: "safekeeper", match: "startup", action: raw(bytes) }))
            ),
            async (fault) => {
              world.faults = [fault]
              await silently(check(spec()))
            },
            { hang: HANG }
          )
        )
      }),
    limit
  )

  for (const [protocol, peer, answers] of [
    ["libpq", "pageserver", [copied, leased, refused]],
    ["grpc", "grpc", called]
  ] as const) {
    it.live(
      `ends: a pageserver by ${protocol}`,
      () =>
        Effect.gen(function* () {
          const { spec, world } = yield* storage()
          const pageserver = yield* Pageserver
          const backup = Effect.flatMap(pageserver.basebackup(spec(protocol), LSN), ({ bytes }) =>
            Stream.runDrain(bytes)
          ).pipe(Effect.scoped)
          const lease = pageserver.leaseLsn(spec(protocol), LSN)
          const startup = protocol === "libpq" ? { match: "startup" } : {}
          yield* Effect.promise(() =>
            fuzz(
              fc.record({
                fault: fc.oneof(
                  {
                    weight: 3,
                    arbitrary: mutated(answers).map((bytes): Fault.Fault => ({ peer, action: raw(bytes) }))
                  },
                  mutated(protocol === "libpq" ? [greeting, refused] : answers).map(
                    (bytes): Fault.Fault => ({ peer, ...startup, action: raw(bytes) })
                  )
                ),
                question: fc.constantFrom("backup", "lease")
              }),
              async ({ fault, question }) => {
                world.faults = [fault]
                // Which failure it is matters to nobody here; a defect would be thrown.
                await silently(question === "backup" ? Effect.ignore(backup) : Effect.ignore(lease))
              },
              { hang: HANG }
            )
          )
        }).pipe(Effect.provide(Pageserver.layer)),
      limit
    )
  }

  it.live(
    "ends: endpoint storage",
    () =>
      Effect.gen(function* () {
        const world = new World([])
        const { port } = yield* endpointStorage(world, "127.0.0.1", 0)
        const store = yield* EndpointStorage
        const object = { address: `127.0.0.1:${port}`, token: Redacted.make("t"), path: ["t", "l", "e", "lfc_state"] }
        const get = Effect.flatMap(store.get(object), ({ body }) => Stream.runDrain(body)).pipe(Effect.scoped)
        const put = store.put(object, [Buffer.from("state")])
        yield* Effect.promise(() =>
          fuzz(
            fc.tuple(mutated(http), fc.constantFrom("get", "put")),
            async ([bytes, question]) => {
              world.faults = [{ peer: "storage", action: raw(bytes) }]
              await silently(question === "get" ? Effect.ignore(get) : Effect.ignore(put))
            },
            { hang: HANG }
          )
        )
      }).pipe(Effect.provide(EndpointStorage.layer)),
    limit
  )
})

describe("a start with peers that say anything", () => {
  const faults: fc.Arbitrary<ReadonlyArray<Fault.Fault>> = fc.array(
    fc.oneof(
      mutated(http).map((bytes): Fault.Fault => ({ peer: "control", times: 4, action: raw(bytes) })),
      mutated([position]).map((bytes): Fault.Fault => ({ peer: "safekeeper", times: 2, action: raw(bytes) })),
      mutated([copied]).map(
        (bytes): Fault.Fault => ({ peer: "pageserver", match: "basebackup", times: 2, action: raw(bytes) })
      ),
      mutated([greeting]).map(
        (bytes): Fault.Fault => ({ peer: "pageserver", match: "startup", times: 2, action: raw(bytes) })
      )
    ),
    { minLength: 1, maxLength: 3 }
  )
  const STARTED = 60_000

  it.live(
    "runs, or fails with a reason, and leaves nobody behind",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const start = (given: ReadonlyArray<Fault.Fault>) =>
          Effect.gen(function* () {
            emulator.world.faults = given
            const compute = yield* startCompute({
              emulator,
              source: "control-plane",
              spec: { skip_pg_catalog_updates: true },
              env: { NEON_COMPUTE_TESTING_BASEBACKUP_RETRIES: "1" }
            })
            const settled = compute.waitFor(["running", "failed"], STARTED).pipe(Effect.ignore)
            yield* Effect.raceFirst(settled, compute.ended)
            compute.signal("SIGTERM")
            const { code, signal } = yield* compute.ended
            assert.strictEqual(signal, null)
            assert.include([0, 1], code)
            assert.notMatch(compute.log(), /nobody (?:caught|awaited)/)
            assert.deepStrictEqual(yield* compute.processes, [])
          }).pipe(Effect.scoped)
        yield* Effect.promise(() =>
          fuzz(faults, (given) => Effect.runPromise(start(given)), { hang: STARTED + 30_000 })
        )
      }),
    duration + 4 * STARTED
  )
})
