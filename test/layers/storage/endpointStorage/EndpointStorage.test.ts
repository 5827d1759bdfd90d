import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as net from "node:net"
import * as zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { EndpointStorage } from "../../../../src/layers/storage/endpointStorage/EndpointStorage.ts"
import { compress, decompress } from "../../../../src/layers/storage/endpointStorage/zstd.ts"

interface Seen {
  readonly line: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

/** A store that notes what it is asked. */
const store = (answer: (response: http.ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly address: string; readonly seen: Array<Seen>; readonly close: () => void }>((resume) => {
      const seen: Array<Seen> = []
      const server = http.createServer(async (request, response) => {
        const chunks: Array<Buffer> = []
        for await (const chunk of request) chunks.push(chunk)
        seen.push({ line: `${request.method} ${request.url}`, headers: request.headers, body: Buffer.concat(chunks) })
        answer(response)
      })
      server.listen(0, "127.0.0.1", () => {
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ address: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const object = (address: string, path: ReadonlyArray<string> = ["t", "l", "e p%2F", "lfc_state"]) => ({
  address,
  token: Redacted.make("secret"),
  path
})

describe("endpoint storage", () => {
  it.live("is asked with the token, and each part of the path stays one segment", () =>
    Effect.gen(function* () {
      const { address, seen } = yield* store((response) => response.end("abc"))
      const storage = yield* EndpointStorage
      const answer = yield* storage.get(object(address))
      assert.strictEqual(answer.statusText, "200 OK")
      const body = yield* Stream.runFold(
        answer.body,
        () => "",
        (all, chunk) => all + Buffer.from(chunk).toString()
      )
      assert.strictEqual(body, "abc")
      assert.strictEqual(seen[0]?.line, "GET /t/l/e%20p%252F/lfc_state")
      assert.strictEqual(seen[0]?.headers.authorization, "Bearer secret")
    }).pipe(Effect.provide(EndpointStorage.layer))
  )

  it.live("gets chunks with their length announced", () =>
    Effect.gen(function* () {
      const { address, seen } = yield* store((response) => response.writeHead(413).end("no"))
      const storage = yield* EndpointStorage
      const answer = yield* storage.put(object(address), [Buffer.from("ab"), Buffer.from("c")])
      assert.deepStrictEqual(answer, { status: 413, statusText: "413 Payload Too Large" })
      assert.strictEqual(seen[0]?.headers["content-length"], "3")
      assert.isUndefined(seen[0]?.headers["transfer-encoding"])
      assert.strictEqual(seen[0]?.body.toString(), "abc")
    }).pipe(Effect.provide(EndpointStorage.layer))
  )

  it.live("decides by its head: what it says afterwards is not waited for", () =>
    Effect.gen(function* () {
      const { address } = yield* store((response) => response.writeHead(200, { "content-length": "10" }).write("some"))
      const storage = yield* EndpointStorage
      assert.deepStrictEqual(yield* storage.put(object(address), [Buffer.from("ab")]), {
        status: 200,
        statusText: "200 OK"
      })
    }).pipe(Effect.provide(EndpointStorage.layer))
  )

  it.live("may leave a body unread", () =>
    Effect.gen(function* () {
      const { address } = yield* store((response) => response.writeHead(404).end(Buffer.alloc(1_000_000)))
      const storage = yield* EndpointStorage
      const { status } = yield* Effect.scoped(storage.get(object(address)))
      assert.strictEqual(status, 404)
      yield* Effect.sleep("50 millis")
    }).pipe(Effect.provide(EndpointStorage.layer))
  )

  it.live("says that nobody listens, and that a body was cut", () =>
    Effect.gen(function* () {
      const storage = yield* EndpointStorage
      const unused = yield* Effect.callback<number>((resume) => {
        const server = net.createServer().listen(0, "127.0.0.1", () => {
          const { port } = server.address() as AddressInfo
          server.close(() => resume(Effect.succeed(port)))
        })
      })
      const refused = yield* Effect.flip(storage.get(object(`127.0.0.1:${unused}`)))
      assert.include(refused.message, "ECONNREFUSED")
      const { address } = yield* store((response) => {
        response.writeHead(200, { "content-length": "10" })
        response.write("abc")
        setTimeout(() => response.destroy(), 20)
      })
      const answer = yield* storage.get(object(address))
      const cut = yield* Effect.flip(Stream.runDrain(answer.body))
      assert.strictEqual(cut._tag, "EndpointStorageFailed")
    }).pipe(Effect.provide(EndpointStorage.layer))
  )

  it.live("closes its connection when it is interrupted", () =>
    Effect.gen(function* () {
      let closed = false
      const { address } = yield* store((response) => {
        response.on("close", () => {
          closed = true
        })
      })
      const storage = yield* EndpointStorage
      yield* Effect.timeoutOption(Effect.scoped(storage.get(object(address))), "100 millis")
      yield* Effect.sleep("100 millis")
      assert.isTrue(closed)
    }).pipe(Effect.provide(EndpointStorage.layer))
  )
})

describe("zstd", () => {
  const random = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 251))

  it.live("comes back as it was", () =>
    Effect.gen(function* () {
      const chunks = yield* compress(random)
      const back = yield* decompress(Stream.fromIterable(chunks))
      assert.isTrue(Buffer.from(back).equals(random))
    })
  )

  it.live("is read from chunks of any size", () =>
    Effect.gen(function* () {
      const bytes = zlib.zstdCompressSync(random)
      const single = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1))
      const back = yield* decompress(Stream.fromIterable(single))
      assert.isTrue(Buffer.from(back).equals(random))
    })
  )

  it.live("is refused when it is garbage, cut, or too large", () =>
    Effect.gen(function* () {
      const bytes = zlib.zstdCompressSync(random)
      for (const [source, limit] of [
        [Buffer.from("garbage, really not a frame"), 1e9],
        [bytes.subarray(0, bytes.length - 10), 1e9],
        [bytes, 1000]
      ] as const) {
        const error = yield* Effect.flip(decompress(Stream.make(source), limit))
        assert.strictEqual(error._tag, "ZstdFailed")
      }
    })
  )

  it.live("passes on the failure of its source", () =>
    Effect.gen(function* () {
      const source = Stream.concat(Stream.make(zlib.zstdCompressSync(random).subarray(0, 50)), Stream.fail("cut"))
      assert.strictEqual(yield* Effect.flip(decompress(source)), "cut")
    })
  )
})
