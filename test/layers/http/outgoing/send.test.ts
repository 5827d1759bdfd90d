import * as tls from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { type Outgoing, send } from "../../../../src/layers/http/outgoing/send.ts"
import { readStream } from "../../../../src/layers/http/readBody.ts"
import { decodeVariables, Variables } from "../../../../src/layers/machine/process/Variables.ts"
import { eventually } from "../../companionRig.ts"
import { certificate, httpServer, httpsServer, rawServer, tunnel } from "./servers.ts"

const token = Redacted.make("token-of-ours")
const outgoing = (url: string, more: Partial<Outgoing> = {}): Outgoing => ({
  method: "GET",
  url,
  token,
  connect: 5_000,
  silence: 5_000,
  ...more
})
const text = (wanted: Outgoing) =>
  Effect.gen(function* () {
    const { body, statusText } = yield* send(wanted)
    return `${statusText}: ${yield* readStream(body, 1000)}`
  }).pipe(Effect.scoped)

const failure = (wanted: Outgoing) => Effect.map(Effect.flip(text(wanted)), ({ message }) => message)
const behind = (env: Record<string, string>) => Effect.provideService(Variables, decodeVariables(env))
const closed = (sockets: ReadonlySet<unknown>) => eventually(() => sockets.size === 0)

describe("a request", () => {
  it.live("brings the answer, and its connection is gone afterwards", () =>
    Effect.gen(function* () {
      const { port, seen, sockets } = yield* httpServer((response) => response.writeHead(404).end("not here"))
      assert.strictEqual(yield* text(outgoing(`http://127.0.0.1:${port}/a?b=c`)), "404 Not Found: not here")
      assert.strictEqual(seen[0]?.url, "/a?b=c")
      assert.strictEqual(seen[0]?.headers.authorization, "Bearer token-of-ours")
      assert.isUndefined(seen[0]?.headers["traceparent"])
      yield* closed(sockets)
    })
  )

  it.live("is over when its scope is, whatever was read", () =>
    Effect.gen(function* () {
      const { port, sockets } = yield* httpServer((response) => {
        response.writeHead(200)
        response.write(Buffer.alloc(1_000_000))
      })
      const { status } = yield* Effect.scoped(send(outgoing(`http://127.0.0.1:${port}/`)))
      assert.strictEqual(status, 200)
      yield* closed(sockets)
      const silent = yield* httpServer(() => {})
      const fiber = yield* Effect.forkChild(text(outgoing(`http://127.0.0.1:${silent.port}/`)))
      yield* eventually(() => silent.seen.length === 1)
      yield* Fiber.interrupt(fiber)
      yield* closed(silent.sockets)
    })
  )

  it.live("is given up when nothing comes, before the head and behind it", () =>
    Effect.gen(function* () {
      const silence = 100
      const none = yield* httpServer(() => {})
      const message = "nothing came for 0.1 s"
      assert.strictEqual(yield* failure(outgoing(`http://127.0.0.1:${none.port}/`, { silence })), message)
      const stuck = yield* httpServer((response) => void response.writeHead(200).write("some"))
      assert.strictEqual(yield* failure(outgoing(`http://127.0.0.1:${stuck.port}/`, { silence })), message)
      yield* closed(none.sockets)
      yield* closed(stuck.sockets)
    })
  )

  it.live("may take longer than its silence where something is sent or comes, or nobody reads", () =>
    Effect.gen(function* () {
      const { port } = yield* httpServer((response, request) => {
        request.resume().on("end", () => {
          response.writeHead(200)
          const parts = setInterval(() => response.write("x"), 50)
          setTimeout(() => {
            clearInterval(parts)
            response.end()
          }, 700)
        })
      })
      const { body } = yield* send(outgoing(`http://127.0.0.1:${port}/`, { silence: 500 }))
      yield* Effect.sleep(600)
      assert.isAbove((yield* readStream(body, 1000)).length, 3)
    }).pipe(Effect.scoped)
  )

  it.live("with a body succeeds with the head, though the store does not read and never ends its answer", () =>
    Effect.gen(function* () {
      const { port, seen, sockets } = yield* httpServer((response) => response.writeHead(507).write("fu"))
      const body = Array.from({ length: 8 }, () => Buffer.alloc(1_000_000))
      const wanted = outgoing(`http://127.0.0.1:${port}/o`, { method: "PUT", body })
      const { statusText } = yield* Effect.scoped(send(wanted))
      assert.strictEqual(statusText, "507 Insufficient Storage")
      // A server that does not read does not hear that the other one has left either.
      seen[0]?.resume()
      assert.deepInclude(seen[0]?.headers, { "content-length": "8000000", "content-type": "application/octet-stream" })
      yield* closed(sockets)
    })
  )

  const broken = [
    ["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", "aborted"],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "aborted"],
    ["SSH-2.0-other\r\n", "Parse Error: Expected HTTP/, RTSP/ or ICE/"],
    ["HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "connection closed without an answer"],
    ["", "socket hang up"]
  ] as const
  for (const [bytes, message] of broken) {
    it.live(`says what is wrong with ${JSON.stringify(bytes.slice(0, 60))}`, () =>
      Effect.gen(function* () {
        const { port } = yield* rawServer(bytes, true)
        assert.include(yield* failure(outgoing(`http://127.0.0.1:${port}/`)), message)
      })
    )
  }

  it.live("is none where the URL is none, or of another protocol", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* failure(outgoing("nowhere")), "not a URL: nowhere")
      assert.strictEqual(yield* failure(outgoing("ftp://host/")), 'Protocol "ftp:" not supported')
    })
  )

  it.live("follows redirects, but takes no token elsewhere and does not bring it back", () =>
    Effect.gen(function* () {
      const other = yield* httpServer((response) => response.writeHead(302, { location: back }).end())
      const { port, seen, sockets } = yield* httpServer((response, { url }) => {
        if (url === "/end") return void response.end("found")
        response.writeHead(307, { location: url === "/" ? "/same" : `http://127.0.0.1:${other.port}/` }).end()
      })
      const back = `http://127.0.0.1:${port}/end`
      assert.strictEqual(yield* text(outgoing(`http://127.0.0.1:${port}/`)), "200 OK: found")
      assert.deepStrictEqual(
        [...seen, ...other.seen].map(({ headers, url }) => [url, headers.authorization]),
        [
          ["/", "Bearer token-of-ours"],
          ["/same", "Bearer token-of-ours"],
          ["/end", undefined],
          ["/", undefined]
        ]
      )
      yield* closed(sockets)
    })
  )
})

describe("a proxy", () => {
  it.live("is asked in the other's name, with the credentials of its URL", () =>
    Effect.gen(function* () {
      const proxy = yield* httpServer((response) => response.end("by proxy"))
      const env = { http_proxy: `http://us%65r:p%40ss@127.0.0.1:${proxy.port}` }
      assert.strictEqual(yield* behind(env)(text(outgoing("http://store.invalid:81/x"))), "200 OK: by proxy")
      const [request] = proxy.seen
      assert.strictEqual(request?.url, "http://store.invalid:81/x")
      assert.strictEqual(request?.headers.host, "store.invalid:81")
      const credentials = Buffer.from("user:p@ss").toString("base64")
      assert.strictEqual(request?.headers["proxy-authorization"], `Basic ${credentials}`)
      yield* closed(proxy.sockets)
    })
  )

  it.live("does not see what goes through its tunnel, and each hop has its own", () =>
    Effect.gen(function* () {
      const certificates = tls.getCACertificates("default")
      yield* Effect.acquireRelease(
        Effect.sync(() => tls.setDefaultCACertificates([...certificates, certificate])),
        () => Effect.sync(() => tls.setDefaultCACertificates(certificates))
      )
      const plain = yield* httpServer((response) => response.end("plain"))
      const secure = yield* httpsServer((response, { url }) =>
        url === "/far" ? response.writeHead(302, { location: "http://far.invalid/" }).end() : response.end("secure")
      )
      const proxy = yield* tunnel()
      const env = {
        http_proxy: `127.0.0.1:${plain.port}`,
        https_proxy: `http://u:w@127.0.0.1:${proxy.port}`
      }
      const url = `https://localhost:${secure.port}`
      assert.strictEqual(yield* behind(env)(text(outgoing(url))), "200 OK: secure")
      assert.deepStrictEqual(
        proxy.seen.map(({ headers, url }) => [url, headers["proxy-authorization"], headers.authorization]),
        [[`localhost:${secure.port}`, `Basic ${Buffer.from("u:w").toString("base64")}`, undefined]]
      )
      assert.strictEqual(secure.seen[0]?.headers.authorization, "Bearer token-of-ours")
      assert.isUndefined(secure.seen[0]?.headers["proxy-authorization"])
      assert.strictEqual(yield* behind(env)(text(outgoing(`${url}/far`))), "200 OK: plain")
      assert.deepStrictEqual(
        plain.seen.map(({ headers, url }) => [url, headers.authorization]),
        [["http://far.invalid/", undefined]]
      )
      assert.strictEqual(yield* behind({ ...env, no_proxy: "localhost" })(text(outgoing(url))), "200 OK: secure")
      assert.strictEqual(proxy.seen.length, 2)
      yield* closed(proxy.sockets)
    })
  )

  it.live("that refuses, stalls or is not there ends the request, and keeps no connection", () =>
    Effect.gen(function* () {
      const refusing = yield* tunnel("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
      const through = (port: number) => behind({ all_proxy: `http://u:secret@127.0.0.1:${port}` })
      const refused = yield* through(refusing.port)(failure(outgoing("https://host.invalid/")))
      assert.match(refused, /tunnel to host.invalid:443 via .*: HTTP\/1.1 407 Proxy Authentication Required/)
      assert.notInclude(refused, "secret")
      yield* closed(refusing.sockets)
      const stalling = yield* tunnel("HTTP/1.1 ")
      const fiber = yield* Effect.forkChild(through(stalling.port)(text(outgoing("https://host.invalid/"))))
      yield* eventually(() => stalling.seen.length === 1)
      yield* Fiber.interrupt(fiber)
      yield* closed(stalling.sockets)
      const slow = outgoing("https://host.invalid/", { connect: 100 })
      assert.match(yield* through(stalling.port)(failure(slow)), /timed out after 100ms/)
      yield* closed(stalling.sockets)
      assert.include(yield* through(1)(failure(outgoing("http://host.invalid/"))), "ECONNREFUSED 127.0.0.1:1")
    })
  )
})
