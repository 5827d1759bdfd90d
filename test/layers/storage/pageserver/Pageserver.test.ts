import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2"
import type * as net from "node:net"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { fromBigInt, zero } from "../../../../src/domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../../../src/domain/spec/ParsedSpec.ts"
import type * as Fault from "../../../../src/emulator/Fault.ts"
import {
  Pageserver,
  type PageserverFailed,
  type RequestBasebackup
} from "../../../../src/layers/storage/pageserver/Pageserver.ts"
import { spec } from "../../../programs/fakes.ts"
import { until } from "../../../rig/waits.ts"
import { LSN, storage, TENANT, TIMELINE } from "../../storageRig.ts"

const content = Buffer.from(Array.from({ length: 700_000 }, (_, at) => (at * 7919) >> 3))

const take = (parsed: ParsedSpec, lsn = LSN) =>
  Effect.gen(function* () {
    const pageserver = yield* Pageserver
    const { bytes, connectMicros } = yield* pageserver.basebackup(parsed, lsn)
    const all = yield* Stream.runCollect(bytes)
    return { bytes: Buffer.concat(all), connectMicros }
  }).pipe(Effect.scoped, Effect.provide(Pageserver.layer))

const lease = (parsed: ParsedSpec, lsn = LSN) =>
  Effect.flatMap(Pageserver, (pageserver) => pageserver.leaseLsn(parsed, lsn)).pipe(Effect.provide(Pageserver.layer))

const facts = ({ code, transient }: PageserverFailed) => ({ code, transient })

const ids = { "neon-tenant-id": TENANT, "neon-timeline-id": TIMELINE }
const modes: ReadonlyArray<readonly [string, unknown, bigint, string, string, Record<string, string>]> = [
  [
    "a primary",
    "Primary",
    LSN,
    `basebackup ${TENANT} ${TIMELINE} 0/1800000 --gzip`,
    "primary",
    { lsn: "25165824", compression: "gzip" }
  ],
  ["a new primary", "Primary", 0n, `basebackup ${TENANT} ${TIMELINE} --gzip`, "primary", { compression: "gzip" }],
  [
    "a replica",
    "Replica",
    0n,
    `basebackup ${TENANT} ${TIMELINE} --gzip --replica`,
    "replica",
    { replica: "true", compression: "gzip" }
  ],
  [
    "a static one",
    { Static: "0/3000000" },
    0x3000000n,
    `basebackup ${TENANT} ${TIMELINE} 0/3000000 --gzip --replica`,
    "static",
    { lsn: "50331648", replica: "true", compression: "gzip" }
  ]
]

for (const protocol of ["libpq", "grpc"] as const) {
  describe(`Pageserver by ${protocol}`, () => {
    const peer: Fault.Peer = protocol === "libpq" ? "pageserver" : "grpc"

    for (const [name, mode, lsn, command, modeName, fields] of modes) {
      it.live(`asks for the basebackup of ${name}`, () =>
        Effect.gen(function* () {
          const rig = yield* storage({ content })
          const taken = yield* take(rig.spec(protocol, { mode }), fromBigInt(lsn))
          assert.isTrue(taken.bytes.equals(content))
          assert.isAbove(taken.connectMicros, 0)
          if (protocol === "libpq") {
            assert.deepStrictEqual(
              rig.asked(peer, "startup").map(({ detail }) => JSON.stringify(detail)),
              [
                JSON.stringify({
                  client_encoding: "UTF8",
                  user: "no_user",
                  options: `-c neon.compute_mode=${modeName}`,
                  application_name: "compute_ctl"
                })
              ]
            )
            assert.deepStrictEqual(
              rig.asked(peer, "query").map(({ text, detail }) => [text, detail["protocol"]]),
              [[command, "extended"]]
            )
          } else {
            const [call] = rig.asked(peer, "call")
            assert.strictEqual(call?.text, "GetBaseBackup")
            assert.deepStrictEqual(call?.detail, { ...fields, ...ids, "neon-shard-id": "0000" })
          }
        })
      )
    }

    it.live("asks shard 0 of several", () =>
      Effect.gen(function* () {
        const rig = yield* storage({ content, shards: 3 })
        yield* take(rig.spec(protocol))
        const what = protocol === "libpq" ? "query" : "call"
        assert.deepStrictEqual(
          rig.asked(peer, what).map(({ member }) => member),
          [0]
        )
        if (protocol === "grpc") assert.strictEqual(rig.asked(peer, what)[0]?.detail["neon-shard-id"], "0003")
      })
    )

    it.live("shows its token, and is refused for good with another one", () =>
      Effect.gen(function* () {
        const rig = yield* storage({ content, tokens: true })
        assert.isTrue((yield* take(rig.spec(protocol))).bytes.equals(content))
        const foreign = rig.issue({ scope: "tenant", tenant_id: "f".repeat(32) })
        const without = yield* Effect.flip(take(rig.spec(protocol, { storage_auth_token: null })))
        assert.isFalse(without.transient, without.message)
        for (const token of [foreign, "nonsense"]) {
          const error = yield* Effect.flip(take(rig.spec(protocol, { storage_auth_token: token })))
          assert.isFalse(error.transient)
          assert.notInclude(JSON.stringify(error) + error.message, token)
        }
      })
    )

    const refusals: ReadonlyArray<
      readonly [string, Fault.Action, libpq: readonly [string, boolean], grpc: readonly [string, boolean]]
    > = [
      ["an unknown timeline", { do: "missing" }, ["XX000", true], ["NOT_FOUND", true]],
      ["a refused token", { do: "denied" }, ["XX000", false], ["PERMISSION_DENIED", false]],
      [
        "an error of its own",
        { do: "error", code: protocol === "libpq" ? "XX000" : "INTERNAL", message: "no layer" },
        ["XX000", true],
        ["INTERNAL", true]
      ],
      [
        "its own shutdown",
        { do: "error", code: protocol === "libpq" ? "57P01" : "UNAVAILABLE", message: "shutdown" },
        ["57P01", true],
        ["UNAVAILABLE", true]
      ],
      [
        "an error amid the stream",
        { do: "error", code: protocol === "libpq" ? "XX000" : "INTERNAL", message: "disk", after: 300_000 },
        ["XX000", true],
        ["INTERNAL", true]
      ],
      [
        "an error after the last byte",
        { do: "error", code: protocol === "libpq" ? "XX000" : "INTERNAL", message: "late", after: content.length },
        ["XX000", true],
        ["INTERNAL", true]
      ]
    ]
    for (const [name, action, libpq, grpc] of refusals) {
      it.live(`reports ${name}`, () =>
        Effect.gen(function* () {
          const rig = yield* storage({ content, faults: [{ peer, action }] })
          const error = yield* Effect.flip(take(rig.spec(protocol)))
          const [code, transient] = protocol === "libpq" ? libpq : grpc
          assert.deepStrictEqual(facts(error), { code, transient })
          if (action.do === "error") assert.include(error.message, action.message)
        })
      )
    }

    it.live("takes a timeline that is not there, and a server that leaves, for what may come in a moment", () =>
      Effect.gen(function* () {
        const rig = yield* storage({ content, faults: [{ peer, times: 1, action: { do: "missing" } }] })
        const missing = yield* Effect.flip(take(rig.spec(protocol)))
        assert.strictEqual(missing.healing, "attaching")
        assert.match(missing.message, new RegExp(`Timeline ${TENANT}/${TIMELINE} was not found`))
        const code = protocol === "libpq" ? "57P01" : "UNAVAILABLE"
        rig.world.faults = [{ peer, action: { do: "error", code, message: "shutting down" } }]
        assert.strictEqual((yield* Effect.flip(take(rig.spec(protocol)))).healing, "attaching")
      })
    )

    it.live("reports an LSN that is gone, and an archived timeline", () =>
      Effect.gen(function* () {
        const rig = yield* storage({ content })
        rig.timeline.gcCutoff = fromBigInt(0x1800001n)
        const gone = yield* Effect.flip(take(rig.spec(protocol)))
        assert.match(gone.message, /invalid basebackup lsn: LSN 0\/1800000 is earlier than/i)
        assert.isFalse(gone.transient)
        rig.timeline.isArchived = true
        const archived = yield* Effect.flip(take(rig.spec(protocol), zero))
        assert.deepStrictEqual(facts(archived), {
          code: protocol === "libpq" ? "XX000" : "FAILED_PRECONDITION",
          transient: false
        })
      })
    )

    it.live("takes a broken connection for something that passes", () =>
      Effect.gen(function* () {
        const rig = yield* storage({ content })
        for (const action of [{ do: "refuse" }, { do: "cut", after: 0 }, { do: "cut", after: 500_000 }] as const) {
          rig.world.faults = [{ peer, action }]
          assert.isTrue((yield* Effect.flip(take(rig.spec(protocol)))).transient)
        }
      })
    )

    it.live("leases on every shard at once, for the shortest time that one grants", () =>
      Effect.gen(function* () {
        const rig = yield* storage({ shards: 3, faults: [{ peer, action: { do: "delay", ms: 3_600_000 } }] })
        const asking = yield* Effect.forkChild(lease(rig.spec(protocol)))
        const what = protocol === "libpq" ? "query" : "call"
        yield* until("all to be asked, before one has answered", () => rig.asked(peer, what).length === 3)
        yield* Fiber.interrupt(asking)
        rig.world.asked.length = 0
        rig.world.faults = [{ peer, member: 1, action: { do: "lease", ms: 14_000 } }]
        const began = Date.now()
        const granted = (yield* lease(rig.spec(protocol))) ?? 0
        assert.isAtLeast(granted, began + 13_900)
        assert.isAtMost(granted, Date.now() + 14_000)
        const asked = rig.asked(peer, what)
        if (protocol === "libpq") {
          assert.deepStrictEqual(asked.map(({ text }) => text).sort(), [
            `lease lsn ${TENANT}-0003 ${TIMELINE} 0/1800000`,
            `lease lsn ${TENANT}-0103 ${TIMELINE} 0/1800000`,
            `lease lsn ${TENANT}-0203 ${TIMELINE} 0/1800000`
          ])
          for (const { detail } of rig.asked(peer, "startup")) {
            assert.deepStrictEqual(detail, { client_encoding: "UTF8", user: "no_user" })
          }
        } else {
          assert.deepStrictEqual(asked.map(({ detail }) => detail["neon-shard-id"]).sort(), ["0003", "0103", "0203"])
          assert.isTrue(asked.every(({ text, detail }) => text === "LeaseLsn" && detail["lsn"] === "25165824"))
        }
      })
    )

    it.live("tells a refused lease from a failed one", () =>
      Effect.gen(function* () {
        const rig = yield* storage({ shards: 2, faults: [{ peer, member: 1, action: { do: "lease", ms: null } }] })
        assert.isNull(yield* lease(rig.spec(protocol)))
        rig.world.faults = [
          {
            peer,
            member: 0,
            action: { do: "error", code: protocol === "libpq" ? "57P01" : "UNAVAILABLE", message: "x" }
          }
        ]
        assert.isTrue((yield* Effect.flip(lease(rig.spec(protocol)))).transient)
      })
    )
  })
}

describe("Pageserver", () => {
  it.live("falls back to the protocol whose URL is known", () =>
    Effect.gen(function* () {
      const rig = yield* storage({ content })
      const both = rig.spec("grpc")
      const [server] = both.pageserver.shards["0000"]?.pageservers ?? []
      const without = (urls: object) =>
        rig.spec("grpc", {
          pageserver_connection_info: {
            shard_count: 0,
            stripe_size: null,
            prefer_protocol: "grpc",
            shards: { "0000": { pageservers: [{ ...server, id: null, ...urls }] } }
          }
        })
      yield* take(without({ grpc_url: null }))
      assert.strictEqual(rig.asked("pageserver", "query").length, 1)
    })
  )

  const sockets = () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length
  const sizeBy = (request: RequestBasebackup) =>
    Effect.flatMap(request(LSN), ({ bytes }) =>
      Stream.runFold(
        bytes,
        () => 0,
        (sum, piece) => sum + piece.length
      )
    ).pipe(Effect.scoped)

  it.live("uses a connection made early, once, and only while it is good", () =>
    Effect.gen(function* () {
      const rig = yield* storage({ content })
      yield* Effect.gen(function* () {
        const pageserver = yield* Pageserver
        const request = yield* pageserver.connectEarly(rig.spec())
        yield* until("the connection", () => rig.asked("pageserver", "startup").length === 1)
        for (const connections of [1, 2]) {
          assert.strictEqual(yield* sizeBy(request), content.length)
          assert.strictEqual(rig.asked("pageserver", "startup").length, connections)
        }
        rig.world.faults = [{ peer: "pageserver", times: 1, action: { do: "refuse" } }]
        const other = yield* pageserver.connectEarly(rig.spec())
        yield* until("the refusal", () => rig.world.faults.length === 0)
        yield* Effect.sleep(100)
        assert.strictEqual(yield* sizeBy(other), content.length)
      }).pipe(Effect.provide(Pageserver.layer))
    })
  )

  it.live("closes a connection made early with the try that had it", () =>
    Effect.gen(function* () {
      const rig = yield* storage({ content })
      yield* Effect.gen(function* () {
        const pageserver = yield* Pageserver
        yield* until("those of other tests to be closed", () => sockets() === 0)
        const request = yield* pageserver.connectEarly(rig.spec())
        yield* until("the connection", () => rig.asked("pageserver", "startup").length === 1)
        assert.isAbove(sockets(), 0)
        rig.world.faults = [
          { peer: "pageserver", times: 1, action: { do: "error", code: "XX000", message: "Not found: tenant" } }
        ]
        yield* Effect.flip(sizeBy(request))
        yield* until("the connection to be closed", () => sockets() === 0)
        assert.strictEqual(yield* sizeBy(request), content.length)
      }).pipe(Effect.provide(Pageserver.layer))
    })
  )

  it.live("opens a new one where the early one is so old that something on the way may have forgotten it", () =>
    Effect.gen(function* () {
      const rig = yield* storage({ content })
      yield* Effect.gen(function* () {
        const request = yield* Effect.flatMap(Pageserver, (pageserver) => pageserver.connectEarly(rig.spec()))
        yield* until("the connection", () => rig.asked("pageserver", "startup").length === 1)
        const now = performance.now.bind(performance)
        yield* Effect.acquireRelease(
          Effect.sync(() => vi.spyOn(performance, "now").mockImplementation(() => now() + 31_000)),
          (spy) => Effect.sync(() => spy.mockRestore())
        )
        assert.strictEqual(yield* sizeBy(request), content.length)
        assert.strictEqual(rig.asked("pageserver", "startup").length, 2)
      }).pipe(Effect.provide(Pageserver.layer))
    })
  )

  it.effect("does not try again what cannot be parsed", () =>
    Effect.gen(function* () {
      const wrong = spec({ pageserver_connstring: "grpc://secret@host:1" })
      const error = yield* Effect.flip(take(wrong))
      assert.include(error.message, "invalid connection string")
      assert.notInclude(error.message, "secret")
      assert.isFalse(error.transient)
    })
  )
})

/** An HTTP/2 server with one answer to everything. */
const http2Server = (answer: (stream: ServerHttp2Stream) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const server = createServer()
      const sockets = new Set<net.Socket>()
      server.on("connection", (socket) => sockets.add(socket))
      server.on("stream", (stream: ServerHttp2Stream) => {
        stream.on("error", () => {})
        answer(stream)
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const close = () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
        resume(Effect.succeed({ port: typeof address === "object" && address !== null ? address.port : 0, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const overGrpc = (url: string, members: object = {}) =>
  spec({
    pageserver_connstring: null,
    pageserver_connection_info: {
      shard_count: 0,
      stripe_size: null,
      prefer_protocol: "grpc",
      shards: { "0000": { pageservers: [{ id: null, libpq_url: null, grpc_url: url }] } }
    },
    ...members
  })

describe("gRPC of other servers", () => {
  const grpc = { ":status": 200, "content-type": "application/grpc" }
  const answers: ReadonlyArray<readonly [string, (stream: ServerHttp2Stream) => void, string, boolean]> = [
    ["an HTTP error", (stream) => stream.respond({ ":status": 503 }, { endStream: true }), "UNAVAILABLE", true],
    [
      "an HTTP refusal",
      (stream) => stream.respond({ ":status": 403 }, { endStream: true }),
      "PERMISSION_DENIED",
      false
    ],
    ["no status", (stream) => stream.respond(grpc, { endStream: true }), "UNAVAILABLE", true],
    ["a reset stream", (stream) => stream.close(2), "UNAVAILABLE", true],
    [
      "a status with an escaped text",
      (stream) => stream.respond({ ...grpc, "grpc-status": "13", "grpc-message": "50%25 %C3%BC" }, { endStream: true }),
      "INTERNAL",
      true
    ],
    [
      "a message that is cut off",
      (stream) => {
        stream.respond(grpc, { waitForTrailers: true })
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }))
        stream.end(Buffer.from([0, 0, 0, 0, 9, 1]))
      },
      "INTERNAL",
      true
    ],
    [
      "a compressed message",
      (stream) => {
        stream.respond(grpc)
        stream.end(Buffer.from([1, 0, 0, 0, 0]))
      },
      "INTERNAL",
      true
    ]
  ]
  for (const [name, answer, code, transient] of answers) {
    it.live(`reports ${name}`, () =>
      Effect.gen(function* () {
        const { port } = yield* http2Server(answer)
        const error = yield* Effect.flip(take(overGrpc(`grpc://127.0.0.1:${port}`)))
        assert.deepStrictEqual(facts(error), { code, transient })
        if (name.includes("escaped")) assert.include(error.message, "50% ü")
      })
    )
  }

  it.live("reports a server that is none, and URLs that are none", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(take(overGrpc("grpc://no_user@127.0.0.1:1")))
      assert.match(refused.message, /^transport error: .*ECONNREFUSED/)
      assert.isTrue(refused.transient)
      const invalid = yield* Effect.flip(take(overGrpc("postgresql://x")))
      assert.deepStrictEqual(facts(invalid), { code: null, transient: false })
    })
  )

  it.live("sends what gRPC servers insist on", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const server = yield* Effect.acquireRelease(
        Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
          const http2 = createServer()
          http2.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
            seen.push(...[":method", ":scheme", ":path", "te", "content-type"].map((name) => String(headers[name])))
            seen.push(String(headers["authorization"]))
            stream.respond({ ...grpc, "grpc-status": "5" }, { endStream: true })
          })
          http2.listen(0, "127.0.0.1", () => {
            const address = http2.address()
            const port = typeof address === "object" && address !== null ? address.port : 0
            resume(Effect.succeed({ port, close: () => http2.close() }))
          })
        }),
        ({ close }) => Effect.sync(close)
      )
      const parsed = overGrpc(`grpc://no_user@127.0.0.1:${server.port}`, { storage_auth_token: "t0ken" })
      assert.isTrue(Redacted.isRedacted(parsed.storageAuthToken))
      yield* Effect.flip(take(parsed))
      assert.deepStrictEqual(seen, [
        "POST",
        "http",
        "/page_api.PageService/GetBaseBackup",
        "trailers",
        "application/grpc",
        "Bearer t0ken"
      ])
    })
  )
})
